package exporter

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func TestProbe(t *testing.T) {
	var opened, freed atomic.Int32
	h := Probe(testFlags(t), []string{"good*:6379", "hang"}, func(_ context.Context, target, module string) (ContextCollector, func(), error) {
		if module == "unknown" {
			return nil, nil, errors.New("unknown module")
		}
		opened.Add(1)
		free := func() { freed.Add(1) }
		if target == "hang" {
			return Named("redis", polite("test_up")), free, nil
		}
		return Named("redis", steady("test_up")), free, nil
	})
	s := httptest.NewServer(h)
	defer s.Close()
	tests := []struct {
		name, target, module string
		status               int
		want                 string
	}{
		{"good", "good1:6379", "", 200, "test_up 1\n"},
		{"name", "good1:6379", "", 200, `test_exporter_scrape_collector_success{collector="redis"} 1` + "\n"},
		{"hang", "hang", "", 200, "test_up 0\n"},
		{"missing", "", "", 400, "the parameter target is missing\n"},
		{"refused", "evil:6379", "", 403, "target \"evil:6379\" is not among the allowed targets\n"},
		{"star and slash", "good/../evil:6379", "", 403, "target \"good/../evil:6379\" is not among the allowed targets\n"},
		{"module", "good1:6379", "unknown", 400, "unknown module\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := url.Values{"target": {test.target}, "module": {test.module}}
			a := get(t, s.URL+"/probe?"+q.Encode(), timeoutHeader, "2")
			if a.status != test.status || !strings.Contains(a.body, test.want) {
				t.Errorf("got %d %q, want %d with %q", a.status, a.body, test.status, test.want)
			}
		})
	}
	realtest.Eventually(t, "everything opened is freed", func() bool { return opened.Load() == 3 && freed.Load() == 3 })
}

func TestProbeAllowsNothingByDefault(t *testing.T) {
	s := httptest.NewServer(Probe(testFlags(t), nil, nil))
	defer s.Close()
	if a := get(t, s.URL+"/probe?target=x"); a.status != http.StatusForbidden {
		t.Errorf("got %d, want 403", a.status)
	}
}
