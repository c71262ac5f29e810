package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// partRows are the metrics about the parts themselves.
func partRows() []collect.Row[outcome] {
	return []collect.Row[outcome]{
		collect.Gauge("node_scrape_collector_duration_seconds", "Time the collector took, or has taken so far.",
			func(o outcome, s collect.Series) { s.Value(o.took.Seconds(), o.name) }, "collector"),
		collect.Gauge("node_scrape_collector_success", "Whether the collector ended in time and without an error. Having no data is no error.",
			func(o outcome, s collect.Series) { s.Flag(!o.stuck && (o.err == nil || o.hasNoData()), o.name) }, "collector"),
		collect.Gauge("node_scrape_collector_no_data", "Constant 1 for each collector that has no data on this host. Absent for the others.",
			func(o outcome, s collect.Series) {
				if o.hasNoData() {
					s.Value(1, o.name)
				}
			}, "collector"),
		collect.Gauge("node_scrape_collector_stuck_seconds", "Age of the run of a collector that has not ended in time. Absent for the others.",
			func(o outcome, s collect.Series) {
				if o.stuck {
					s.Value(o.took.Seconds(), o.name)
				}
			}, "collector"),
	}
}

// outcome is how a part fared in a scrape.
type outcome struct {
	name  string
	took  time.Duration
	err   error
	stuck bool // it has not ended in time
}

func (o outcome) hasNoData() bool { return errors.Is(o.err, errNoData) }

// updater is one collector. Update may block for as long as it likes and is
// never called again before it has returned. The deadline of ctx is the end of
// the scrape that began the run.
type updater interface {
	Update(ctx context.Context, ch chan<- prometheus.Metric) error
}

// part is an updater of which one run is under way at most.
type part struct {
	name    string
	updater updater
	log     *slog.Logger
	flights collect.Flights[struct{}, *run]

	mu      sync.Mutex
	failing bool // how the last run ended, for the log
}

// run is one run of an updater. Its fields are set once it is over.
type run struct {
	metrics []prometheus.Metric
	took    time.Duration
	err     error

	stuck bool // was logged to be; guarded by part.mu
}

// join returns the run under way, or a new one. Nobody leaves a run: it could
// not be cancelled.
func (p *part) join(ctx context.Context) *collect.Flight[*run] {
	return p.flights.Join(ctx, struct{}{}, nil, &run{}, p.run)
}

// run runs the updater until it returns, however long that takes.
func (p *part) run(ctx context.Context, r *run) {
	began := time.Now()
	ch := make(chan prometheus.Metric, 64)
	received := make(chan struct{})
	go func() {
		defer close(received)
		for m := range ch {
			r.metrics = append(r.metrics, m)
		}
	}()
	r.err = collect.Guard(func() error { return p.updater.Update(ctx, ch) })
	r.took = time.Since(began)
	close(ch)
	<-received
	p.logEnd(r)
}

// logEnd logs what has changed with a run.
func (p *part) logEnd(r *run) {
	p.mu.Lock()
	failed := r.err != nil && !errors.Is(r.err, errNoData)
	changed := failed != p.failing
	p.failing = failed
	stuck := r.stuck
	p.mu.Unlock()
	switch {
	case failed && changed:
		p.log.Error("collector failed", "took", r.took, "err", r.err)
	case stuck:
		p.log.Info("collector is no longer stuck", "took", r.took)
	case changed:
		p.log.Info("collector works again", "took", r.took)
	}
}

// report sends the metrics of a run and returns its outcome, for which it waits
// until ctx is done. It does not wait for a run that is older than patience, the
// time of a whole scrape.
func (p *part) report(ctx context.Context, f *collect.Flight[*run], patience time.Duration, ch chan<- prometheus.Metric) outcome {
	if !wait(ctx, f, patience) {
		age := time.Since(f.Began)
		if !errors.Is(ctx.Err(), context.Canceled) { // The scraper has not just gone.
			p.logStuck(f.State, age)
		}
		return outcome{name: p.name, took: age, stuck: true}
	}
	for _, m := range f.State.metrics {
		ch <- m
	}
	return outcome{name: p.name, took: f.State.took, err: f.State.err}
}

// wait reports whether a run has ended by the time ctx is done.
func wait(ctx context.Context, f *collect.Flight[*run], patience time.Duration) bool {
	if f.Over() {
		return true
	}
	if time.Since(f.Began) > patience {
		return false
	}
	select {
	case <-f.Done:
		return true
	case <-ctx.Done():
		return false
	}
}

// logStuck logs once that a run takes too long.
func (p *part) logStuck(r *run, age time.Duration) {
	p.mu.Lock()
	logged := r.stuck
	r.stuck = true
	p.mu.Unlock()
	if !logged {
		p.log.Warn("collector is stuck, scrapes go on without it", "age", age)
	}
}
