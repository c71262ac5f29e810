package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

const (
	// unreportedBusy is how long it is to the next look while inputs wait, and
	// unreportedPause how long between two lines.
	unreportedBusy  = 10 * time.Minute
	unreportedPause = 24 * time.Hour
)

// watchUnreported logs once a day which configured domains never had a report,
// when the sources have been read and there are reports about others.
func (s *service) watchUnreported(ctx context.Context) {
	timer := time.NewTimer(unreportedBusy)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		pause := unreportedPause
		for _, source := range s.supervisor.Sources() {
			if source.Status().Backlog > 0 {
				pause = unreportedBusy
			}
		}
		if pause == unreportedPause {
			tellUnreported(s.logger, s.store.Snapshot())
		}
		timer.Reset(pause)
	}
}

// tellUnreported logs the configured domains without a report, if there are reports about others.
func tellUnreported(logger *slog.Logger, counts *tally.Snapshot) {
	const most = 20
	var names []string
	missing := 0
	for _, d := range counts.Domains {
		if d.Configured && d.LastEnd.IsZero() {
			if missing++; len(names) < most {
				names = append(names, d.Name)
			}
		}
	}
	var others int64
	for _, series := range counts.Series[tally.Messages] {
		if series.Labels[0] == tally.Foreign {
			others = tally.Add(others, series.Value)
		}
	}
	if missing > 0 && others > 0 {
		logger.Warn("no report about a configured domain was ever counted, while others count as foreign: look for a misspelt domain, or a rua address that leads elsewhere",
			"domains", names, "count", missing, "foreign_messages", others)
	}
}
