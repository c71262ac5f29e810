package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// updateFunc is an updater of a test.
type updateFunc func(ch chan<- prometheus.Metric) error

func (f updateFunc) Update(_ context.Context, ch chan<- prometheus.Metric) error { return f(ch) }

var testDesc = prometheus.NewDesc("test_value", "A value.", nil, nil)

// good tells one value.
func good(ch chan<- prometheus.Metric) error {
	ch <- prometheus.MustNewConstMetric(testDesc, prometheus.GaugeValue, 1)
	return nil
}

// scrape returns the metrics of one scrape as name{label} value, without durations.
func scrape(ctx context.Context, c *Collector) map[string]float64 {
	ch := make(chan prometheus.Metric)
	go func() {
		defer close(ch)
		c.CollectContext(ctx, ch)
	}()
	values := map[string]float64{}
	for m := range ch {
		var out dto.Metric
		if err := m.Write(&out); err != nil {
			panic(err)
		}
		name := strings.Split(m.Desc().String(), `"`)[1]
		for _, l := range out.GetLabel() {
			name += fmt.Sprintf("{%s}", l.GetValue())
		}
		if !strings.HasPrefix(name, "node_scrape_collector_duration_seconds") {
			values[name] = out.GetGauge().GetValue() + out.GetCounter().GetValue() + out.GetUntyped().GetValue()
		}
	}
	return values
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestOutcomes(t *testing.T) {
	var log realtest.Log
	fail := true
	c := newCollector(map[string]updater{
		"good":  updateFunc(good),
		"empty": updateFunc(func(chan<- prometheus.Metric) error { return fmt.Errorf("%w: no such device", errNoData) }),
		"bad": updateFunc(func(chan<- prometheus.Metric) error {
			if fail {
				return errors.New("boom")
			}
			return nil
		}),
		"panic": updateFunc(func(chan<- prometheus.Metric) error { panic("aargh") }),
	}, 0, slog.New(slog.NewTextHandler(&log, nil)))
	want := map[string]float64{
		"test_value": 1, "node_scrape_collector_no_data{empty}": 1,
		"node_scrape_collector_success{good}": 1, "node_scrape_collector_success{empty}": 1,
		"node_scrape_collector_success{bad}": 0, "node_scrape_collector_success{panic}": 0,
	}
	for range 2 {
		if diff := cmp.Diff(want, scrape(t.Context(), c)); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
	}
	fail = false
	if got := scrape(t.Context(), c)["node_scrape_collector_success{bad}"]; got != 1 {
		t.Errorf("success after the failure = %v, want 1", got)
	}
	for text, want := range map[string]int{`err=boom`: 1, `err="panic: aargh"`: 1, "works again": 1, "collector=empty": 0} {
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("%q is in the log %d times, want %d:\n%s", text, got, want, log.String())
		}
	}
}

// TestStuck holds that a collector that hangs costs only itself: 50 scrapes at
// once are answered in their time, later ones at once, and nothing piles up.
func TestStuck(t *testing.T) {
	const scrapes = 50
	release := make(chan struct{})
	var runs atomic.Int32
	var log realtest.Log
	c := newCollector(map[string]updater{
		"good": updateFunc(good),
		"hang": updateFunc(func(ch chan<- prometheus.Metric) error { runs.Add(1); <-release; return good(ch) }),
	}, 0, slog.New(slog.NewTextHandler(&log, nil)))
	before := runtime.NumGoroutine()
	const budget = 400 * time.Millisecond
	var wg sync.WaitGroup
	for range scrapes {
		wg.Go(func() {
			start := time.Now()
			got := scrape(within(t, budget), c)
			if took := time.Since(start); took > budget+realtest.Patience/2 {
				t.Errorf("scrape took %v", took)
			}
			if got["test_value"] != 1 || got["node_scrape_collector_success{good}"] != 1 || got["node_scrape_collector_success{hang}"] != 0 {
				t.Errorf("metrics = %v", got)
			}
			if age := got["node_scrape_collector_stuck_seconds{hang}"]; age < budget.Seconds()/2 {
				t.Errorf("stuck for %v s", age)
			}
		})
	}
	wg.Wait()
	realtest.Eventually(t, "goroutines do not pile up", func() bool { return runtime.NumGoroutine() <= before+5 })
	realtest.Eventually(t, "it holds", func() bool { // A busy machine may be slow once.
		start := time.Now()
		scrape(within(t, budget), c)
		return time.Since(start) < budget/4
	})
	if got := runs.Load(); got != 1 {
		t.Errorf("%d runs of the stuck collector, want 1", got)
	}
	close(release)
	realtest.Eventually(t, "it holds", func() bool { return runtime.NumGoroutine() <= before })
	got := scrape(within(t, 10*time.Second), c)
	if _, stuck := got["node_scrape_collector_stuck_seconds{hang}"]; stuck || got["node_scrape_collector_success{hang}"] != 1 {
		t.Errorf("after the end: %v", got)
	}
	for _, text := range []string{"is stuck", "no longer stuck"} {
		if strings.Count(log.String(), text) != 1 {
			t.Errorf("%q is not in the log once:\n%s", text, log.String())
		}
	}
}

// TestTimeout holds that the collector's own limit is within the scrape's.
func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	hang := updateFunc(func(chan<- prometheus.Metric) error { <-release; return nil })
	c := newCollector(map[string]updater{"hang": hang}, 20*time.Millisecond, slog.New(slog.DiscardHandler))
	ctx := within(t, time.Minute)
	if got := scrape(ctx, c)["node_scrape_collector_stuck_seconds{hang}"]; got == 0 {
		t.Error("the collector is not reported as stuck")
	}
	if ctx.Err() != nil {
		t.Error("the scrape has run into its own deadline")
	}
}

// TestGone holds that a scraper that leaves says nothing about a collector.
func TestGone(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var log realtest.Log
	hang := updateFunc(func(chan<- prometheus.Metric) error { <-release; return nil })
	c := newCollector(map[string]updater{"hang": hang}, 0, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	scrape(ctx, c)
	if log.String() != "" {
		t.Errorf("log: %s", log.String())
	}
}

func TestFilter(t *testing.T) {
	c := newCollector(map[string]updater{"a": updateFunc(good), "b": updateFunc(good), "c": updateFunc(good)}, 0, slog.New(slog.DiscardHandler))
	for _, test := range []struct {
		name             string
		collect, exclude []string
		want             []string
		err              string
	}{
		{name: "all", want: []string{"a", "b", "c"}},
		{name: "collect", collect: []string{"c", "a"}, want: []string{"a", "c"}},
		{name: "exclude", exclude: []string{"b", "unknown"}, want: []string{"a", "c"}},
		{name: "unknown", collect: []string{"d"}, err: "missing or disabled collector: d"},
		{name: "both", collect: []string{"a"}, exclude: []string{"b"}, err: "combined collect and exclude queries are not allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := c.Filter(test.collect, test.exclude)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Fatalf("error = %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Names()); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}
