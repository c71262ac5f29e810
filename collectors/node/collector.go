package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// ErrConfigured is the error of New when it was called before in this process,
// with other arguments.
var ErrConfigured = errors.New("the collectors of this process are configured already, with other arguments")

// ErrPlatform is the error of New in a build without upstream's collectors, which
// need Linux, or macOS with cgo.
var ErrPlatform = errors.New("this build has no collectors of the host: they need Linux, or macOS with cgo")

// errNoData is the error of an updater that works but has no data on this host.
var errNoData = errors.New("no data")

// defaultTimeout bounds Collect, which has no deadline from outside.
const defaultTimeout = 10 * time.Second

// Config completes the arguments of New. Its zero value runs upstream's default
// collectors and none of our own.
type Config struct {
	// DisableDefaults turns every collector off that the arguments do not turn on.
	DisableDefaults bool
	// Timeout is how long a scrape waits for any one collector, if that is less
	// than three quarters of its time. Zero means three quarters of its time.
	Timeout time.Duration
	// Containers turns on the collector "container".
	Containers bool
	// MaxContainers is how many containers get metrics, in the order of their
	// cgroups' paths; the others are counted. Zero means 500.
	MaxContainers int
	// Sockets are paths of sockets of Docker or Podman that are asked for the names
	// of containers that no file tells. They are only read from.
	Sockets []string
	// Certificates are patterns of PEM files, as of path/filepath.Match and below
	// --path.rootfs. They turn on the collector "certificate".
	Certificates []string
	// Logger gets a line when a collector begins to fail or hang and when it ends.
	// Upstream's collectors keep the one of the first New. Nil means discard.
	Logger *slog.Logger
}

// Collector runs collectors of a host. It is safe for concurrent use, and
// scrapes at the same time share the runs.
type Collector struct {
	parts   []*part // sorted by name
	timeout time.Duration
	table   *collect.Table[outcome]
}

// New returns the collectors that args turn on. args are flags of upstream, such
// as "--path.procfs=/host/proc" or "--no-collector.arp"; see Flags. It fails if
// one of them is wrong, but not if the host lacks what a collector reads:
// that collector fails, and is tried again at each scrape.
func New(args []string, config Config) (*Collector, error) {
	log := config.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := configure(args, config.DisableDefaults); err != nil {
		return nil, err
	}
	updaters, err := hostUpdaters(log)
	if err != nil {
		return nil, err
	}
	if config.Containers {
		updaters["container"] = newContainers(path("path.sysfs"), path("path.rootfs"), config.MaxContainers, config.Sockets...)
	}
	if len(config.Certificates) > 0 {
		c, err := newCertificates(path("path.rootfs"), config.Certificates)
		if err != nil {
			return nil, err
		}
		updaters["certificate"] = c
	}
	return newCollector(updaters, config.Timeout, log), nil
}

// newCollector returns a collector that runs updaters, by name.
func newCollector(updaters map[string]updater, timeout time.Duration, log *slog.Logger) *Collector {
	c := &Collector{timeout: timeout, table: collect.NewTable(partRows(), nil)}
	for name, u := range updaters {
		c.parts = append(c.parts, &part{name: name, updater: u, log: log.With("collector", name)})
	}
	slices.SortFunc(c.parts, func(a, b *part) int { return strings.Compare(a.name, b.name) })
	return c
}

// Names returns the names of the collectors that run, sorted.
func (c *Collector) Names() []string {
	names := make([]string, len(c.parts))
	for i, p := range c.parts {
		names[i] = p.name
	}
	return names
}

// Filter returns a collector of the named parts of c, or of all but the excluded
// ones, that shares their runs with c. Without names it returns c. It is an
// error to name both, or to collect what does not run.
func (c *Collector) Filter(collect, exclude []string) (*Collector, error) {
	switch {
	case len(collect) > 0 && len(exclude) > 0:
		return nil, errors.New("combined collect and exclude queries are not allowed")
	case len(collect) == 0 && len(exclude) == 0:
		return c, nil
	}
	names := c.Names()
	for _, name := range collect {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("missing or disabled collector: %s", name)
		}
	}
	filtered := &Collector{timeout: c.timeout, table: c.table}
	for _, p := range c.parts {
		if slices.Contains(collect, p.name) || len(exclude) > 0 && !slices.Contains(exclude, p.name) {
			filtered.parts = append(filtered.parts, p)
		}
	}
	return filtered, nil
}

// Describe implements prometheus.Collector. What upstream's collectors send is
// not known before, and not described.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) { c.table.Describe(ch) }

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), defaultTimeout)
	defer cancel()
	c.CollectContext(ctx, ch)
}

// CollectContext sends the metrics that the collectors give by the deadline of
// ctx, and for each of them whether it succeeded.
func (c *Collector) CollectContext(ctx context.Context, ch chan<- prometheus.Metric) {
	patience := c.patience(ctx)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	flights := make([]*collect.Flight[*run], len(c.parts))
	for i, p := range c.parts {
		flights[i] = p.join(ctx)
	}
	var out collect.Output
	for i, p := range c.parts {
		c.table.Write(p.report(ctx, flights[i], patience, ch), &out)
	}
	out.Send(ch)
}

// patience returns how long a scrape waits for a collector. A quarter of its
// time is left for the answer, which takes long when many scrapes wait for the
// same collector.
func (c *Collector) patience(ctx context.Context) time.Duration {
	patience := c.timeout
	if patience <= 0 {
		patience = defaultTimeout
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline) / 4 * 3
		if c.timeout <= 0 || left < patience {
			patience = left
		}
	}
	return patience
}
