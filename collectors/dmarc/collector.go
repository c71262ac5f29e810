package dmarc

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Source is how a source of reports is doing.
type Source struct {
	// Name is the source as the configuration names it, a bounded set.
	Name string
	Up   bool
	// Backlog is how many inputs wait.
	Backlog int
	// LastSuccess is when an input was last taken; the zero time when never.
	LastSuccess time.Time
	// Inputs counts inputs by outcome.
	Inputs map[string]uint64
	// Seconds is how long taking them took in all.
	Seconds float64
}

// Config configures a Collector. Its zero value works.
type Config struct {
	// Sources returns how the sources are doing; nil leaves their metrics out.
	Sources func() []Source
}

// Collector exposes a tally. It is safe for concurrent use.
type Collector struct {
	tally  *tally.Tally
	config Config
	rows   []row
	descs  []*prometheus.Desc
}

// New returns a collector of t, which stays the caller's to close.
func New(t *tally.Tally, config Config) *Collector {
	c := &Collector{tally: t, config: config, rows: table()}
	for _, r := range c.rows {
		c.descs = append(c.descs, prometheus.NewDesc(r.name, r.help, r.labels, nil))
	}
	return c
}

// Describe sends the descriptors of every metric.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect sends the committed state. It does no I/O.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	in := input{Snapshot: c.tally.Snapshot()}
	if c.config.Sources != nil {
		in.sources = c.config.Sources()
	}
	for i, r := range c.rows {
		r.get(&in, func(value float64, created time.Time, labels ...string) {
			if created.IsZero() {
				ch <- prometheus.MustNewConstMetric(c.descs[i], r.kind, value, labels...)
				return
			}
			ch <- prometheus.MustNewConstMetricWithCreatedTimestamp(c.descs[i], r.kind, value, created, labels...)
		})
	}
}

// CollectContext is Collect: nothing in it waits.
func (c *Collector) CollectContext(_ context.Context, ch chan<- prometheus.Metric) { c.Collect(ch) }
