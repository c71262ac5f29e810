package reportfiles

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// unreported returns the configured domains that no report was ever counted
// about, and how many messages count for domains that are not configured: with
// both, a domain may be misspelt.
func unreported(counts *tally.Snapshot) (domains []string, foreign int64) {
	for _, d := range counts.Domains {
		if d.Configured && d.LastEnd.IsZero() {
			domains = append(domains, d.Name)
		}
	}
	for _, series := range counts.Series[tally.Messages] {
		if series.Labels[0] == tally.Foreign {
			foreign = tally.Add(foreign, series.Value)
		}
	}
	return domains, foreign
}

// mostUnreported is how many such domains are named.
const mostUnreported = 20

// warnUnreported names such domains to a person.
func warnUnreported(w io.Writer, counts *tally.Snapshot) error {
	domains, foreign := unreported(counts)
	if len(domains) == 0 || foreign == 0 {
		return nil
	}
	named := domains[:min(len(domains), mostUnreported)]
	_, err := fmt.Fprintf(w, "No report about %s was counted, while %s are about domains that are not configured: look for a misspelt domain.\n",
		strings.Join(named, ", "), plural(int(foreign), "message"))
	return err
}

const (
	// unreportedBusy is how long it is to the next look while inputs wait, and
	// unreportedPause how long between two lines.
	unreportedBusy  = 10 * time.Minute
	unreportedPause = 24 * time.Hour
)

// WatchUnreported logs once a day which configured domains never had a report,
// when there are reports about others and busy says that no inputs wait.
func WatchUnreported(ctx context.Context, logger *slog.Logger, counts func() *tally.Snapshot, busy func() bool) {
	timer := time.NewTimer(unreportedBusy)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		pause := unreportedBusy
		if !busy() {
			pause = unreportedPause
			logUnreported(logger, counts())
		}
		timer.Reset(pause)
	}
}

// logUnreported names such domains in the log.
func logUnreported(logger *slog.Logger, counts *tally.Snapshot) {
	domains, foreign := unreported(counts)
	if len(domains) > 0 && foreign > 0 {
		logger.Warn("no report about a configured domain was ever counted, while others count as foreign: look for a misspelt domain, or a rua address that leads elsewhere",
			"domains", domains[:min(len(domains), mostUnreported)], "count", len(domains), "foreign_messages", foreign)
	}
}
