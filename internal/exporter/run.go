package exporter

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// run is one collector at work in one gather.
type run struct {
	collector ContextCollector
	name      string
	key       runKey
	done      chan struct{} // closed when the collector has returned or was skipped

	mu      sync.Mutex
	metrics []prometheus.Metric
	samples []*collect.Sample // those that are plain numbers
	started time.Time
	took    time.Duration // 0 while the collector works
	success bool          // returned in time, without a panic
}

// runKey tells whether two runs are of the same collector.
type runKey struct {
	scope string // keeps the collectors of different targets apart
	id    any
}

func newRun(scope string, c ContextCollector) *run {
	name := nameOf(c)
	return &run{
		collector: c, name: name, key: runKey{scope: scope, id: identity(c, name)},
		started: time.Now(), done: make(chan struct{}),
	}
}

// identity returns what all runs of the same collector have in common.
func identity(c ContextCollector, name string) any {
	switch {
	case name != "":
		return name
	case reflect.ValueOf(c).Comparable():
		return c
	default:
		return reflect.TypeOf(c).String()
	}
}

// String names the collector for a log line.
func (r *run) String() string {
	if r.name != "" {
		return r.name
	}
	return reflect.TypeOf(r.collector).String()
}

// collect runs the collector until it returns, however long that takes. What it
// sends is kept as it arrives, so that no answer has to wait for it.
func (r *run) collect(ctx context.Context, s *stats) {
	ch := make(chan prometheus.Metric, 128)
	go r.receive(ch)
	returned := s.guard(r.String(), func() { r.collector.CollectContext(ctx, ch) })
	r.mu.Lock()
	r.took = max(time.Since(r.started), 1)
	r.success = returned && ctx.Err() == nil
	r.mu.Unlock()
	close(ch)
	<-r.done
}

// receive keeps the metrics of ch until it is closed.
func (r *run) receive(ch <-chan prometheus.Metric) {
	defer close(r.done)
	for m := range ch {
		r.mu.Lock()
		if s, ok := m.(*collect.Sample); ok && s != nil && s.Plain() {
			r.samples = append(r.samples, s)
		} else {
			r.metrics = append(r.metrics, guarded{m})
		}
		r.mu.Unlock()
	}
}

// snapshot returns what has arrived so far, but for numbers. The slice is never written again.
func (r *run) snapshot() (metrics []prometheus.Metric, took time.Duration, success bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	took = r.took
	if took == 0 {
		took = time.Since(r.started)
	}
	return r.metrics[:len(r.metrics):len(r.metrics)], took, r.success
}

// numbers returns the samples that have arrived so far and are plain numbers. The
// slice is never written again.
func (r *run) numbers() []*collect.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.samples[:len(r.samples):len(r.samples)]
}

// over reports whether the collector has returned or was skipped.
func (r *run) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// guarded is a metric that cannot harm the gather: a nil metric, a nil Desc or a
// panic becomes an error of this one metric.
type guarded struct{ prometheus.Metric }

func (g guarded) Desc() *prometheus.Desc {
	if g.Metric != nil {
		if d := g.Metric.Desc(); d != nil {
			return d
		}
	}
	return prometheus.NewInvalidDesc(errNoDesc)
}

func (g guarded) Write(m *dto.Metric) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return g.Metric.Write(m)
}

// guard calls f and reports whether it returned. A panic is counted and logged.
func (s *stats) guard(what string, f func()) (returned bool) {
	defer func() {
		if v := recover(); v != nil {
			s.panics.Inc()
			s.say("panic "+what, "collector panicked", "collector", what, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	f()
	return true
}
