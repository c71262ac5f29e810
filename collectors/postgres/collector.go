package postgres

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

// Config configures a Collector. Its zero value works.
type Config struct {
	// MaxRows bounds the rows of queries without max_rows; 0: 1000.
	MaxRows int
	// Workers is how many queries of a scrape run at the same time at most;
	// more than one only while one is slow or was the last time. 0: 2.
	Workers int
	// Timeout bounds Collect, which has no context; 0: 10 s.
	Timeout time.Duration
	// Labels are put on every series, to tell several servers apart.
	Labels map[string]string
	// Logger gets a line when the server or a query begins or ceases to fail,
	// without passwords and data. Nil means discard.
	Logger *slog.Logger
}

// Collector runs queries on one server and exposes their rows, next to pg_up
// and figures about each query. It is safe for concurrent use.
//
// Describe sends nothing: what there is to expose is known once the server has
// answered.
type Collector struct {
	db     Querier
	config Config
	own    *ownMetrics
	labels []labelColumn // of every series
	set    atomic.Pointer[querySet]
	log    *slog.Logger

	background atomic.Bool            // Run is at work
	last       atomic.Pointer[Server] // that answered
	reloaded   chan struct{}          // wakes Run
	catalog    catalog

	mu       sync.Mutex
	scrapes  int
	failures map[Reason]int // of the server
	down     Reason         // of the last scrape
}

// New returns a collector of the given queries, which come from package queryfile
// and are not changed.
func New(db Querier, queries []*queryfile.Query, config Config) *Collector {
	if config.MaxRows <= 0 {
		config.MaxRows = 1000
	}
	if config.Workers <= 0 {
		config.Workers = 2
	}
	if config.Timeout <= 0 {
		config.Timeout = 10 * time.Second
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Collector{
		db: db, config: config, log: config.Logger, own: newOwnMetrics(config.Labels), labels: constantLabels(config.Labels),
		reloaded: make(chan struct{}, 1), failures: map[Reason]int{},
	}
	c.SetQueries(queries)
	return c
}

// SetQueries replaces the queries. Scrapes under way finish with the old ones.
// Totals and results of queries that stay the same are kept.
func (c *Collector) SetQueries(queries []*queryfile.Query) {
	c.set.Store(newQuerySet(queries, c.config.MaxRows, c.set.Load()))
	select {
	case c.reloaded <- struct{}{}:
	default:
	}
}

// Describe implements prometheus.Collector and sends nothing.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector, within Config.Timeout.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	defer cancel()
	c.CollectContext(ctx, ch)
}

// CollectContext sends what is known when ctx ends, pg_up at least.
func (c *Collector) CollectContext(ctx context.Context, ch chan<- prometheus.Metric) {
	c.collect(ctx, ch, func(string) bool { return true })
}

// Selection is a part of the queries of a Collector. Selections of the same
// queries are equal.
type Selection struct {
	*Collector
	only, without string // names between commas
}

// Select returns a collector of only the queries called collect, all if there
// are none, without those called exclude. Names no query has are ignored: which
// queries there are may change.
func (c *Collector) Select(collect, exclude []string) Selection {
	return Selection{Collector: c, only: join(collect), without: join(exclude)}
}

func join(names []string) string {
	if len(names) == 0 {
		return ""
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	return "," + strings.Join(names, ",") + ","
}

// Collect implements prometheus.Collector.
func (s Selection) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.Timeout)
	defer cancel()
	s.CollectContext(ctx, ch)
}

// CollectContext sends what is known of the selected queries when ctx ends.
func (s Selection) CollectContext(ctx context.Context, ch chan<- prometheus.Metric) {
	s.collect(ctx, ch, s.selects)
}

func (s Selection) selects(name string) bool {
	name = "," + name + ","
	return (s.only == "" || strings.Contains(s.only, name)) && !strings.Contains(s.without, name)
}

// constantLabels returns labels as those of a series, in the order of their names.
func constantLabels(labels map[string]string) []labelColumn {
	var out []labelColumn
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, labelColumn{name: name, column: -1, value: labels[name]})
	}
	return out
}
