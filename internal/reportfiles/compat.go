package reportfiles

import (
	"log/slog"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// WarnCompat logs which messages of a state are missing in the metrics of
// dmarc-metrics-exporter: those that were counted without their flag.
func WarnCompat(logger *slog.Logger, counts *tally.Snapshot) {
	var all, shown int64
	for _, series := range counts.Series[tally.Messages] {
		all = tally.Add(all, series.Value)
	}
	for _, series := range counts.Series[tally.SignerMessages] {
		if series.Labels[len(series.Labels)-1] == tally.SignerKinds()[0] {
			shown = tally.Add(shown, series.Value)
		}
	}
	if shown < all {
		logger.Warn("the metrics of dmarc-metrics-exporter lack what was counted without --compat.dmarc-metrics-exporter; to have all of it, import the reports into a new state with the flag",
			"messages", all, "missing", all-shown)
	}
}
