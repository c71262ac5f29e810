package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

const (
	// readyPoll is how often the sources are asked whether they have worked, and
	// readyFirst and readyPause when and how often the log names those that have not.
	readyPoll  = time.Second
	readyFirst = time.Minute
	readyPause = time.Hour
)

// ready reports which sources have never worked since the start, for /-/ready. Who
// was ready once stays so: an outage is no reason to keep uploads away, nor is a
// source that a reload brings.
func (s *service) ready() error {
	if s.everReady.Load() {
		return nil
	}
	sources := s.supervisor.Sources()
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
	s.everReady.Store(true)
	return nil
}

// watchReady logs that all sources have worked, or names those that have not.
func (s *service) watchReady(ctx context.Context) {
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	tell := time.NewTimer(readyFirst)
	defer tell.Stop()
	start := time.Now()
	for {
		if s.ready() == nil {
			s.logger.Info("ready: every source has worked", "took", time.Since(start).Round(time.Millisecond))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		case <-tell.C:
			tellUnready(s.logger, s.supervisor.Sources(), time.Since(start))
			tell.Reset(readyPause)
		}
	}
}

// tellUnready logs each source that has never worked.
func tellUnready(logger *slog.Logger, sources []ingest.Source, since time.Duration) {
	for _, source := range sources {
		if status := source.Status(); !status.Worked {
			logger.Warn("source has never worked since the start, /-/ready waits for it", "source", status.Name, "for", since.Round(time.Second), "err", status.Err)
		}
	}
}
