package dmarc

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Compat exposes a tally under the names and labels of dmarc-metrics-exporter,
// for dashboards and alerts that were made for it. The tally needs
// Config.Signers and its readers Reader.Signers. It is safe for concurrent use.
//
// Names, labels and, but for typing mistakes, help texts are those of that
// exporter. The numbers differ where it miscounts: messages are compliant when
// the receiver found an aligned pass, a count of 0 is 0, and reports with the
// disposition pass count. Labels are bounded: domain names beyond the budget are
// "other", and no address of a sender is a label.
type Compat struct {
	counts   Counts
	families collect.Families
	messages map[string]*collect.Family // by the last label of tally.SignerMessages
	bad      *collect.Family
}

// NewCompat returns a Compat of counts, which stay the caller's to close. Nil counts
// are empty.
func NewCompat(counts Counts) *Compat {
	labels := []string{"reporter", "from_domain", "dkim_domain", "spf_domain"}
	c := &Compat{counts: orEmpty(counts), messages: map[string]*collect.Family{}}
	for _, m := range []struct{ kind, name, help string }{
		{"total", "dmarc_total", "Total number of reported messages."},
		{"compliant", "dmarc_compliant_total", "Total number of DMARC compliant messages."},
		{"quarantine", "dmarc_quarantine_total", "Total number of quarantined messages."},
		{"reject", "dmarc_reject_total", "Total number of rejected messages."},
		{"spf_aligned", "dmarc_spf_aligned_total", "Total number of SPF aligned messages."},
		{"spf_pass", "dmarc_spf_pass_total", "Total number of messages with raw SPF pass."},
		{"dkim_aligned", "dmarc_dkim_aligned_total", "Total number of DKIM aligned messages."},
		{"dkim_pass", "dmarc_dkim_pass_total", "Total number of messages with raw DKIM pass."},
	} {
		c.messages[m.kind] = c.families.Counter(m.name, m.help, labels...)
	}
	c.bad = c.families.Counter("dmarc_invalid_reports_total", "Total number of report emails from which no report could be parsed.", "from_email")
	return c
}

// Describe sends the descriptors of every metric.
func (c *Compat) Describe(ch chan<- *prometheus.Desc) { c.families.Describe(ch) }

// Collect sends the committed state. It does no I/O.
func (c *Compat) Collect(ch chan<- prometheus.Metric) {
	s := c.counts.Snapshot()
	var out collect.Output
	for _, series := range s.Series[tally.SignerMessages] {
		last := len(series.Labels) - 1
		out.Since(c.messages[series.Labels[last]], float64(series.Value), series.Created, series.Labels[:last]...)
	}
	var refused int64
	for _, series := range s.Series[tally.Refusals] {
		refused = tally.Add(refused, series.Value)
	}
	out.Since(c.bad, float64(refused), s.Created, tally.Other)
	out.Send(ch)
}

// CollectContext is Collect: nothing in it waits.
func (c *Compat) CollectContext(_ context.Context, ch chan<- prometheus.Metric) { c.Collect(ch) }
