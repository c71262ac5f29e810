package exporter

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// reloader reads the configuration again, one reload at a time, and not more
// often than once in a pause.
type reloader struct {
	reload     func(context.Context) error // nil: nothing to reload
	log        *slog.Logger
	pause      time.Duration
	mu         sync.Mutex
	next       *turn      // that waits for its time; guarded by mu
	last       time.Time  // when the last turn began; guarded by mu
	running    sync.Mutex // held by the turn that reloads
	successful prometheus.Gauge
	timestamp  prometheus.Gauge
}

// turn is a reload that all share who have asked before it begins.
type turn struct {
	done chan struct{}
	err  error
}

// reloadPause is how long it is at least from one reload to the next.
const reloadPause = time.Second

// newReloader returns a reloader whose first success is now: the configuration
// was read before the start.
func newReloader(f *Flags, o *Options) *reloader {
	gauge := func(n, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: f.name, Name: n, Help: help})
	}
	r := &reloader{
		reload: o.Reload, log: o.logger(), pause: cmp.Or(o.ReloadPause, reloadPause),
		successful: gauge("config_last_reload_successful", "Whether the last attempt to reload the configuration succeeded."),
		timestamp:  gauge("config_last_reload_success_timestamp_seconds", "Time of the last successful load of the configuration."),
	}
	r.successful.Set(1)
	r.timestamp.SetToCurrentTime()
	return r
}

// run reloads, or shares the reload that waits for its time, and returns the
// outcome once it is done.
func (r *reloader) run(ctx context.Context) error {
	if r.reload == nil {
		r.log.Info("nothing to reload")
		return nil
	}
	r.mu.Lock()
	t := r.next
	if t != nil {
		r.mu.Unlock()
		<-t.done
		return t.err
	}
	t = &turn{done: make(chan struct{})}
	r.next = t
	wait := r.pause - time.Since(r.last)
	r.mu.Unlock()
	defer close(t.done)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done(): // at shutdown
	}
	r.running.Lock()
	defer r.running.Unlock()
	r.mu.Lock()
	r.next, r.last = nil, time.Now()
	r.mu.Unlock()
	t.err = r.once(ctx)
	return t.err
}

// once reloads and logs the outcome.
func (r *reloader) once(ctx context.Context) error {
	start := time.Now()
	if err := r.reload(ctx); err != nil {
		r.successful.Set(0)
		r.log.Error("reload failed, the old configuration stays in force", "err", err)
		return err
	}
	r.successful.Set(1)
	r.timestamp.SetToCurrentTime()
	r.log.Info("configuration reloaded", "took", time.Since(start))
	return nil
}

// ServeHTTP answers POST /-/reload once the reload is done, which a client that
// leaves does not break off.
func (r *reloader) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if err := r.run(context.WithoutCancel(req.Context())); err != nil {
		http.Error(w, fmt.Sprintf("reload: %v", err), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "OK")
}

// signals reloads on each SIGHUP until ctx is done; then done is closed. The
// signal no longer ends the process from the moment signals returns.
func (r *reloader) signals(ctx context.Context) (done <-chan struct{}) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer signal.Stop(hup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				_ = r.run(ctx) // Logged there.
			}
		}
	}()
	return ended
}
