package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
)

// Readiness is whether every source of a Supervisor has worked since the start. It
// stays once it is there: an outage is no reason to keep uploads away, nor is a
// source that an exchange brings. Its methods are safe for concurrent use.
type Readiness struct {
	Supervisor *Supervisor
	Logger     *slog.Logger

	reached atomic.Bool
}

const (
	// readyPoll is how often the sources are asked whether they have worked, and
	// readyFirst and readyPause when and how often the log names those that have not.
	readyPoll  = time.Second
	readyFirst = time.Minute
	readyPause = time.Hour
)

// Ready names the sources that have never worked.
func (r *Readiness) Ready() error {
	if r.reached.Load() {
		return nil
	}
	sources := r.Supervisor.Sources()
	if len(sources) == 0 {
		return errors.New("the sources have not started yet")
	}
	var names []string
	for _, source := range sources {
		if status := source.Status(); !status.Worked {
			names = append(names, status.Name)
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("sources that have not worked since the start: %s; dmarc_exporter check-config --connect tries them, and the log says why", strings.Join(names, " "))
	}
	r.reached.Store(true)
	return nil
}

// Run logs that all sources have worked, or now and again which have not.
func (r *Readiness) Run(ctx context.Context) {
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	tell := time.NewTimer(readyFirst)
	defer tell.Stop()
	start := time.Now()
	for {
		if r.Ready() == nil {
			r.Logger.Info("ready: every source has worked", "took", time.Since(start).Round(time.Millisecond))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		case <-tell.C:
			r.tell(time.Since(start))
			tell.Reset(readyPause)
		}
	}
}

// tell logs each source that has never worked.
func (r *Readiness) tell(since time.Duration) {
	for _, source := range r.Supervisor.Sources() {
		if status := source.Status(); !status.Worked {
			r.Logger.Warn("source has never worked since the start, /-/ready waits for it", "source", status.Name, "for", since.Round(time.Second), "err", status.Err)
		}
	}
}
