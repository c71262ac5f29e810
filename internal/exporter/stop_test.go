package exporter

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// urlHandler is a log handler that passes on the URL that is served.
type urlHandler struct {
	slog.Handler
	urls chan string
}

func (h urlHandler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "url" {
			h.urls <- a.Value.String()
		}
		return true
	})
	return nil
}

func (h urlHandler) Enabled(context.Context, slog.Level) bool { return true }

func TestStopLetsScrapesFinish(t *testing.T) {
	base := runtime.NumGoroutine()
	urls := make(chan string, 1)
	running, release := make(chan struct{}), make(chan struct{})
	backgroundEnded := false
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, testFlags(t), Options{
			Logger: slog.New(urlHandler{slog.DiscardHandler, urls}),
			Collectors: func(url.Values) ([]ContextCollector, error) {
				return []ContextCollector{fake(func(_ context.Context, ch chan<- prometheus.Metric) {
					close(running)
					<-release
					ch <- gauge("test_last", 1)
				})}, nil
			},
			Background: func(ctx context.Context) error {
				<-ctx.Done()
				backgroundEnded = true
				return nil
			},
		})
	}()
	target := <-urls
	scraped := make(chan answer, 1)
	go func() {
		a, err := fetch(context.Background(), target)
		if err != nil {
			t.Error(err)
		}
		scraped <- a
	}()
	<-running
	cancel()
	realtest.Eventually(t, "no new connection is accepted", func() bool {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
		res, err := client.Get(target[:len(target)-len("/metrics")] + "/-/healthy")
		if err == nil {
			res.Body.Close()
		}
		return err != nil
	})
	close(release)
	a := <-scraped
	a.wantLines(t, "test_last 1")
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if !backgroundEnded {
		t.Error("the work in the background was not waited for")
	}
	wantGoroutines(t, base)
}
