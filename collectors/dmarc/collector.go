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
	// Missed is how many inputs were listed, but gone before they were read.
	Missed uint64
	// Panics is how many panics of the source were caught.
	Panics uint64
	// Listener is about the clients of a source that listens; nil for others.
	Listener *Listener
	// LastSuccess is when an input was last taken; the zero time when it was
	// not since the start of the process. The tally remembers the time before.
	LastSuccess time.Time
	// Inputs counts inputs by outcome, a closed set.
	Inputs map[string]uint64
	// Seconds is how long taking them took in all.
	Seconds float64
}

// Listener is how the clients of a source that listens are doing.
type Listener struct {
	// Open is how many are connected, Accepted how many ever were.
	Open     int
	Accepted uint64
	// Rejections counts what was refused of them by reason, a closed set.
	Rejections map[string]uint64
}

// Config configures a Collector. Its zero value works.
type Config struct {
	// Sources returns how the sources are doing; nil leaves their metrics out.
	// It may be called by several goroutines at once.
	Sources func() []Source
}

// Counts are what a Collector exposes: a *store.Store, or a *tally.Tally that
// counts without one.
type Counts interface {
	Snapshot() *tally.Snapshot
}

// Collector exposes counts. It is safe for concurrent use.
type Collector struct {
	counts Counts
	config Config
	rows   []row
	descs  []*prometheus.Desc
}

// New returns a collector of counts, which stay the caller's to close.
func New(counts Counts, config Config) *Collector {
	c := &Collector{counts: counts, config: config, rows: table()}
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
	in := input{Snapshot: c.counts.Snapshot()}
	if c.config.Sources != nil {
		in.sources = c.config.Sources()
	}
	for i, r := range c.rows {
		r.get(&in, &output{ch: ch, desc: c.descs[i], kind: r.kind})
	}
}

// CollectContext is Collect: nothing in it waits.
func (c *Collector) CollectContext(_ context.Context, ch chan<- prometheus.Metric) { c.Collect(ch) }

// output sends the samples of one metric.
type output struct {
	ch   chan<- prometheus.Metric
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// value sends a sample without a creation time.
func (o *output) value(value float64, labels ...string) {
	o.send(prometheus.NewConstMetric(o.desc, o.kind, value, labels...))
}

// counter sends a sample of a counter that began at a time.
func (o *output) counter(value int64, created time.Time, labels ...string) {
	o.send(prometheus.NewConstMetricWithCreatedTimestamp(o.desc, o.kind, float64(value), created, labels...))
}

// timestamp sends a time, 0 for the zero time.
func (o *output) timestamp(t time.Time, labels ...string) {
	seconds := 0.0
	if !t.IsZero() {
		seconds = float64(t.UnixMilli()) / 1000
	}
	o.value(seconds, labels...)
}

// histogram sends a distribution.
func (o *output) histogram(d *tally.Delay) {
	o.send(prometheus.NewConstHistogramWithCreatedTimestamp(o.desc, d.Count, d.Sum, d.Buckets, d.Created))
}

// send sends a metric. An error, of a label that is no UTF-8, makes the metric
// an invalid one: the rest of the scrape is not its victim.
func (o *output) send(m prometheus.Metric, err error) {
	if err != nil {
		m = prometheus.NewInvalidMetric(o.desc, err)
	}
	o.ch <- m
}
