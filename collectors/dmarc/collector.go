package dmarc

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
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
	// Leads reports whether this process is the one, of those that share the
	// counts, that leads; nil means that there is but one.
	Leads func() bool
	// Exposes reports whether this one of several exposes the counts; nil means
	// that it does when it leads. The others expose only what is about themselves.
	Exposes func() bool
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
	table  *collect.Table[*input]
	own    *collect.Table[*input] // what is about this process
}

// New returns a collector of counts, which stay the caller's to close. Nil counts
// are empty.
func New(counts Counts, config Config) *Collector {
	return &Collector{counts: orEmpty(counts), config: config, table: collect.NewTable(table(), nil), own: collect.NewTable(ownRows(), nil)}
}

// empty are counts of nothing.
type empty struct{}

// Snapshot returns one without anything in it.
func (empty) Snapshot() *tally.Snapshot { return &tally.Snapshot{} }

func orEmpty(counts Counts) Counts {
	if counts == nil {
		return empty{}
	}
	return counts
}

// Describe sends the descriptors of every metric.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) { c.table.Describe(ch) }

// Collect sends the committed state. It does no I/O.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	in := input{Snapshot: c.counts.Snapshot()}
	if c.config.Sources != nil {
		in.sources = c.config.Sources()
	}
	if c.config.Leads != nil {
		in.replica = true
		in.leads = c.config.Leads()
		exposes := in.leads
		if c.config.Exposes != nil {
			exposes = c.config.Exposes()
		}
		if !exposes {
			c.own.Collect(&in, ch)
			return
		}
	}
	c.table.Collect(&in, ch)
}

// CollectContext is Collect: nothing in it waits.
func (c *Collector) CollectContext(_ context.Context, ch chan<- prometheus.Metric) { c.Collect(ch) }
