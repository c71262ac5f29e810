package exporter

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestSharedPages holds that scrapes which share a gather get what each would have
// got alone, whatever they want of it.
func TestSharedPages(t *testing.T) {
	const each = 3
	release := make(chan struct{})
	scraper := newScraper(testFlags(t), func(context.Context, url.Values) ([]ContextCollector, func(), error) {
		return []ContextCollector{fake(func(_ context.Context, ch chan<- prometheus.Metric) {
			<-release
			for _, name := range []string{"test_a", "test_b"} {
				ch <- gauge(name, 1)
			}
		})}, nil, nil
	})
	s := httptest.NewServer(scraper)
	defer s.Close()
	wants := []struct {
		query, accept, encoding string
		alone, shared           []answer
	}{
		{query: "", accept: "text/plain", encoding: "gzip"},
		{query: "", accept: "text/plain", encoding: "identity"},
		{query: "", accept: "application/openmetrics-text;version=1.0.0", encoding: "gzip"},
		{query: "?name[]=test_b", accept: "text/plain", encoding: "gzip"},
		{query: "?name[]=nothing", accept: "text/plain", encoding: "gzip"},
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range each {
		for i := range wants {
			w := &wants[i]
			all.Go(func() {
				a, err := fetch(context.Background(), s.URL+w.query, "Accept", w.accept, "Accept-Encoding", w.encoding)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				w.shared = append(w.shared, a)
			})
		}
	}
	realtest.Eventually(t, "all scrapes wait", func() bool { return scraper.flights.Waiting("") == each*len(wants) })
	close(release)
	all.Wait()
	for _, w := range wants {
		alone := get(t, s.URL+w.query, "Accept", w.accept, "Accept-Encoding", w.encoding)
		for _, shared := range w.shared {
			if shared.body != alone.body || shared.status != alone.status {
				t.Errorf("%+v: %d %q, alone %d %q", w.query, shared.status, shared.body, alone.status, alone.body)
			}
			for _, name := range []string{"Content-Type", "Content-Encoding", "Vary"} {
				if got, want := shared.header.Get(name), alone.header.Get(name); got != want {
					t.Errorf("%s %s: %s %q, alone %q", w.query, w.accept, name, got, want)
				}
			}
		}
	}
}

// TestBodiesOnce holds that a body is made once, and that all hear of its error.
func TestBodiesOnce(t *testing.T) {
	var b bodies
	var calls atomic.Int32
	fail := errors.New("cannot be written")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			key := strconv.Itoa(i % 2)
			text, err := b.of(key, func(to io.Writer) error {
				calls.Add(1)
				if key == "1" {
					return fail
				}
				_, err := io.WriteString(to, "text")
				return err
			})
			if key == "0" && (string(text) != "text" || err != nil) || key == "1" && !errors.Is(err, fail) {
				t.Errorf("%s: %q, %v", key, text, err)
			}
		})
	}
	all.Wait()
	if calls.Load() != 2 {
		t.Errorf("written %d times, want each once", calls.Load())
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = b.of("panic", func(io.Writer) error { panic("a mistake") })
	}()
	if text, err := b.of("panic", func(io.Writer) error { return nil }); err == nil {
		t.Errorf("after a panic the others get %q and no error", text)
	}
}
