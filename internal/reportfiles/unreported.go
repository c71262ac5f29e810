package reportfiles

import (
	"fmt"
	"io"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Unreported returns the configured domains that no report was ever counted
// about, and how many messages count for domains that are not configured: with
// both, a domain may be misspelt.
func Unreported(counts *tally.Snapshot) (domains []string, foreign int64) {
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

// MostUnreported is how many such domains are named.
const MostUnreported = 20

// warnUnreported names such domains to a person.
func warnUnreported(w io.Writer, counts *tally.Snapshot) error {
	domains, foreign := Unreported(counts)
	if len(domains) == 0 || foreign == 0 {
		return nil
	}
	named := domains[:min(len(domains), MostUnreported)]
	_, err := fmt.Fprintf(w, "No report about %s was counted, while %s are about domains that are not configured: look for a misspelt domain.\n",
		strings.Join(named, ", "), plural(int(foreign), "message"))
	return err
}
