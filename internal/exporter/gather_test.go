package exporter

import (
	"context"
	"net/http/httptest"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// slack is what a busy machine may add to a deadline. Without deadlines the
// answers below would take far longer, or for ever.
const slack = 5 * time.Second

func TestConcurrentScrapesShareOneGather(t *testing.T) {
	base := runtime.NumGoroutine()
	var calls atomic.Int32
	release := make(chan struct{})
	f := testFlags(t)
	scraper := newScraper(f, func(context.Context, url.Values) ([]ContextCollector, func(), error) {
		return []ContextCollector{fake(func(_ context.Context, ch chan<- prometheus.Metric) {
			calls.Add(1)
			<-release
			ch <- gauge("test_up", 1)
		})}, nil, nil
	})
	s := httptest.NewServer(scraper)
	defer s.Close()
	const scrapes = 50
	var wg sync.WaitGroup
	for range scrapes {
		wg.Go(func() {
			a, err := fetch(context.Background(), s.URL)
			if err != nil {
				t.Error(err)
				return
			}
			a.wantLines(t, "test_up 1")
		})
	}
	realtest.Eventually(t, "all scrapes wait", func() bool { return scraper.flights.Waiting("") == scrapes })
	close(release)
	wg.Wait()
	if n, gathers := calls.Load(), value(t, f.stats.gathers); n != 1 || gathers != 1 {
		t.Errorf("collector ran %d times in %v gathers, want once in one", n, gathers)
	}
	s.Close()
	wantGoroutines(t, base)
}

func TestFiftyScrapesOfHangingCollector(t *testing.T) {
	for _, kind := range []string{"polite", "deaf"} {
		t.Run(kind, func(t *testing.T) {
			base := runtime.NumGoroutine()
			release := make(chan struct{})
			var calls atomic.Int32
			hang := fake(func(ctx context.Context, ch chan<- prometheus.Metric) {
				calls.Add(1)
				if kind == "deaf" {
					<-release
					return
				}
				polite("test_up")(ctx, ch)
			})
			s := testServer(t, testFlags(t), Named("hang", hang), Named("good", steady("test_good")))
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					a, err := fetch(context.Background(), s.URL+"/metrics", timeoutHeader, "2")
					if err != nil {
						t.Error(err)
						return
					}
					want := []string{
						"test_good 1",
						`test_exporter_scrape_collector_success{collector="hang"} 0`,
						`test_exporter_scrape_collector_success{collector="good"} 1`,
					}
					if kind == "polite" {
						want = append(want, "test_up 0")
					}
					a.wantLines(t, want...)
					if a.took > 2*time.Second+slack {
						t.Errorf("answer took %v, want at most the timeout of 2 s", a.took)
					}
				})
			}
			wg.Wait()
			if n := calls.Load(); n > 3 {
				t.Errorf("collector ran %d times, want at most 3", n)
			}
			close(release)
			s.Close()
			wantGoroutines(t, base)
		})
	}
}

func TestJoinerAnsweredByItsOwnDeadline(t *testing.T) {
	var calls atomic.Int32
	release := make(chan struct{})
	s := testServer(t, testFlags(t), Named("early", steady("test_early")), Named("late", fake(func(_ context.Context, ch chan<- prometheus.Metric) {
		calls.Add(1)
		<-release
		ch <- gauge("test_late", 1)
	})))
	leader := make(chan answer, 1)
	go func() {
		a, _ := fetch(context.Background(), s.URL+"/metrics", timeoutHeader, "20")
		leader <- a
	}()
	realtest.Eventually(t, "the leader's gather runs", func() bool { return calls.Load() == 1 })
	joiner := get(t, s.URL+"/metrics", timeoutHeader, "1")
	joiner.wantLines(t, "test_early 1",
		`test_exporter_scrape_collector_success{collector="early"} 1`,
		`test_exporter_scrape_collector_success{collector="late"} 0`)
	if joiner.took > time.Second+slack {
		t.Errorf("joiner's answer took %v, want at most its timeout of 1 s", joiner.took)
	}
	close(release)
	a := <-leader
	a.wantLines(t, "test_late 1", "test_exporter_gathers_total 1")
}

func TestLongScrapeDoesNotShareShortOne(t *testing.T) {
	var calls atomic.Int32
	s := testServer(t, testFlags(t), fake(func(ctx context.Context, ch chan<- prometheus.Metric) {
		if calls.Add(1) == 1 {
			<-ctx.Done()
			return
		}
		ch <- gauge("test_up", 1)
	}))
	short := make(chan answer, 1)
	go func() {
		a, _ := fetch(context.Background(), s.URL+"/metrics", timeoutHeader, "2")
		short <- a
	}()
	realtest.Eventually(t, "the short gather runs", func() bool { return calls.Load() == 1 })
	get(t, s.URL+"/metrics", timeoutHeader, "20").wantLines(t, "test_up 1")
	a := <-short
	a.wantLines(t)
}

func TestStuckCollectorIsNotStartedAgain(t *testing.T) {
	base := runtime.NumGoroutine()
	var calls atomic.Int32
	release := make(chan struct{})
	f := testFlags(t)
	s := testServer(t, f, Named("good", steady("test_good")), Named("stuck", fake(func(_ context.Context, ch chan<- prometheus.Metric) {
		calls.Add(1)
		<-release
		ch <- gauge("test_stuck", 1)
	})))
	for range 5 {
		get(t, s.URL+"/metrics", timeoutHeader, "1").wantLines(t, "test_good 1",
			`test_exporter_scrape_collector_success{collector="stuck"} 0`)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("stuck collector was started %d times, want once", n)
	}
	close(release)
	realtest.Eventually(t, "the collector is used again", func() bool {
		a := get(t, s.URL+"/metrics")
		return filter(a.body, "test_stuck 1") != ""
	})
	s.Close()
	wantGoroutines(t, base)
}

func TestScrapeWithoutReaderIsCancelled(t *testing.T) {
	running, cancelled := make(chan struct{}), make(chan struct{})
	s := testServer(t, testFlags(t), fake(func(ctx context.Context, _ chan<- prometheus.Metric) {
		close(running)
		<-ctx.Done()
		close(cancelled)
	}))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-running
		cancel()
	}()
	if _, err := fetch(ctx, s.URL+"/metrics", timeoutHeader, "60"); err == nil {
		t.Fatal("got an answer, want none")
	}
	select {
	case <-cancelled:
	case <-time.After(realtest.Patience):
		t.Error("the collector still runs after the client has gone")
	}
}

// value returns the value of a counter.
func value(t testing.TB, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
