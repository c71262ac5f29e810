package exporter

import (
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

// reloader reads the configuration again, one reload at a time.
type reloader struct {
	reload     func(context.Context) error // nil: nothing to reload
	log        *slog.Logger
	mu         sync.Mutex
	successful prometheus.Gauge
	timestamp  prometheus.Gauge
}

// newReloader returns a reloader whose first success is now: the configuration
// was read before the start.
func newReloader(name string, reload func(context.Context) error, log *slog.Logger) *reloader {
	gauge := func(n, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: name, Name: n, Help: help})
	}
	r := &reloader{
		reload: reload, log: log,
		successful: gauge("config_last_reload_successful", "Whether the last attempt to reload the configuration succeeded."),
		timestamp:  gauge("config_last_reload_success_timestamp_seconds", "Time of the last successful load of the configuration."),
	}
	r.successful.Set(1)
	r.timestamp.SetToCurrentTime()
	return r
}

// run reloads and logs the outcome.
func (r *reloader) run(ctx context.Context) error {
	if r.reload == nil {
		r.log.Info("nothing to reload")
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
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
