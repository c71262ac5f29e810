package exporter

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// gather is one run over a set of collectors, shared by every scrape that
// waits for it.
type gather struct {
	runs    []*run
	cut     time.Time // when the families are made of what has arrived
	cancel  context.CancelFunc
	waiters int // guarded by scraper.mu

	ready    chan struct{} // closed once families is set
	families []*dto.MetricFamily
}

// run is one collector at work.
type run struct {
	name      string
	key       any
	collector ContextCollector
	started   time.Time
	done      chan struct{} // closed when the collector has returned

	mu       sync.Mutex
	metrics  []prometheus.Metric
	took     time.Duration
	finished bool // returned in time, without a panic
}

// newRun prepares a run; scope keeps the collectors of different targets apart.
func newRun(scope string, c ContextCollector) *run {
	r := &run{name: nameOf(c), collector: c, started: time.Now(), done: make(chan struct{})}
	r.key = runKey{scope: scope, id: identity(c, r.name)}
	return r
}

// start runs the collector until it returns, however long that takes. What it
// sends is kept as it arrives, so that an answer never has to wait for it.
func (r *run) start(ctx context.Context, panicked func(r *run, value any, stack []byte)) {
	ch := make(chan prometheus.Metric, 128)
	go r.receive(ch)
	go func() {
		defer close(ch)
		ok := false
		defer func() {
			if v := recover(); v != nil {
				panicked(r, v, debug.Stack())
			}
			r.mu.Lock()
			r.took, r.finished = time.Since(r.started), ok && ctx.Err() == nil
			r.mu.Unlock()
		}()
		r.collector.CollectContext(ctx, ch)
		ok = true
	}()
}

// receive keeps the metrics of ch until it is closed.
func (r *run) receive(ch <-chan prometheus.Metric) {
	defer close(r.done)
	for m := range ch {
		if m == nil || m.Desc() == nil {
			continue
		}
		r.mu.Lock()
		r.metrics = append(r.metrics, guarded{m})
		r.mu.Unlock()
	}
}

// snapshot returns what has arrived so far.
func (r *run) snapshot() (metrics []prometheus.Metric, took time.Duration, finished bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	took = r.took
	if took == 0 {
		took = time.Since(r.started)
	}
	return r.metrics[:len(r.metrics):len(r.metrics)], took, r.finished
}

// returned reports whether the collector has returned.
func (r *run) returned() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// guarded turns a panic of Write into an error, so that it costs one metric.
type guarded struct{ prometheus.Metric }

func (g guarded) Write(m *dto.Metric) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return g.Metric.Write(m)
}
