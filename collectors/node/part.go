package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	durationDesc = prometheus.NewDesc("node_scrape_collector_duration_seconds",
		"Time the collector took, or has taken so far.", []string{"collector"}, nil)
	successDesc = prometheus.NewDesc("node_scrape_collector_success",
		"Whether the collector ended in time and without an error. Having no data is no error.", []string{"collector"}, nil)
	noDataDesc = prometheus.NewDesc("node_scrape_collector_no_data",
		"Constant 1 for each collector that has nothing to tell on this host. Absent for the others.", []string{"collector"}, nil)
	stuckDesc = prometheus.NewDesc("node_scrape_collector_stuck_seconds",
		"Age of the run of a collector that has not ended in time. Absent for the others.", []string{"collector"}, nil)
)

// updater is one collector. Update may block for as long as it likes and is
// never called again before it has returned.
type updater interface {
	Update(ch chan<- prometheus.Metric) error
}

// part is an updater of which one run is in flight at most.
type part struct {
	name    string
	updater updater
	log     *slog.Logger

	mu      sync.Mutex
	flight  *flight // nil if none is in flight
	failing bool    // how the last run ended, for the log
}

// flight is one run of an updater.
type flight struct {
	began time.Time
	stuck bool // was said to be; guarded by part.mu

	done    chan struct{} // closed once the fields below are set
	metrics []prometheus.Metric
	took    time.Duration
	err     error
}

// join returns the run in flight, or a new one.
func (p *part) join() *flight {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flight == nil {
		p.flight = &flight{began: time.Now(), done: make(chan struct{})}
		go p.run(p.flight)
	}
	return p.flight
}

// run runs the updater until it returns, however long that takes.
func (p *part) run(f *flight) {
	ch := make(chan prometheus.Metric, 64)
	received := make(chan struct{})
	go func() {
		defer close(received)
		for m := range ch {
			f.metrics = append(f.metrics, m)
		}
	}()
	f.err = guard(p.updater, ch)
	f.took = time.Since(f.began)
	close(ch)
	<-received
	p.end(f)
	close(f.done)
}

// guard turns a panic of the updater into an error.
func guard(u updater, ch chan<- prometheus.Metric) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return u.Update(ch)
}

// end makes way for the next run and logs what has changed.
func (p *part) end(f *flight) {
	p.mu.Lock()
	p.flight = nil
	failed := f.err != nil && !errors.Is(f.err, errNoData)
	changed := failed != p.failing
	p.failing = failed
	stuck := f.stuck
	p.mu.Unlock()
	switch {
	case failed && changed:
		p.log.Error("collector failed", "took", f.took, "err", f.err)
	case stuck:
		p.log.Info("collector is no longer stuck", "took", f.took)
	case changed:
		p.log.Info("collector works again", "took", f.took)
	}
}

// report sends the outcome of f, for which it waits until ctx is done. It does
// not wait for a run that is older than patience, the time of a whole scrape.
func (p *part) report(ctx context.Context, f *flight, patience time.Duration, ch chan<- prometheus.Metric) {
	if !f.wait(ctx, patience) {
		age := time.Since(f.began)
		if !errors.Is(ctx.Err(), context.Canceled) { // The scraper has not just gone.
			p.sayStuck(f, age)
		}
		ch <- p.gauge(durationDesc, age.Seconds())
		ch <- p.gauge(successDesc, 0)
		ch <- p.gauge(stuckDesc, age.Seconds())
		return
	}
	for _, m := range f.metrics {
		ch <- m
	}
	success := 1.0
	switch {
	case errors.Is(f.err, errNoData):
		ch <- p.gauge(noDataDesc, 1)
	case f.err != nil:
		success = 0
	}
	ch <- p.gauge(durationDesc, f.took.Seconds())
	ch <- p.gauge(successDesc, success)
}

// wait reports whether f has ended by the time ctx is done.
func (f *flight) wait(ctx context.Context, patience time.Duration) bool {
	select {
	case <-f.done:
		return true
	default:
	}
	if time.Since(f.began) > patience {
		return false
	}
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// sayStuck logs once that f takes too long.
func (p *part) sayStuck(f *flight, age time.Duration) {
	p.mu.Lock()
	said := f.stuck
	f.stuck = true
	p.mu.Unlock()
	if !said {
		p.log.Warn("collector is stuck, scrapes go on without it", "age", age)
	}
}

func (p *part) gauge(desc *prometheus.Desc, value float64) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, p.name)
}
