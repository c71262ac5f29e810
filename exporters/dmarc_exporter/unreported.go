package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
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
	domains, foreign := reportfiles.Unreported(counts)
	if len(domains) > 0 && foreign > 0 {
		logger.Warn("no report about a configured domain was ever counted, while others count as foreign: look for a misspelt domain, or a rua address that leads elsewhere",
			"domains", domains[:min(len(domains), reportfiles.MostUnreported)], "count", len(domains), "foreign_messages", foreign)
	}
}
