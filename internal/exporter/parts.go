package exporter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Parts returns options that serve parts side by side: all of them at the path of
// the metrics, and each one below it. flags are those of the process. Options.Reload,
// if there is one, reloads what the process itself has, before the parts.
func Parts(flags *Flags, o Options, parts []Part) Options {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(flags.name, "", name), help, []string{"part"}, nil)
	}
	g := &group{
		flags:    flags,
		own:      o.Reload,
		up:       desc("part_up", "Whether the part runs."),
		failures: desc("part_failures_total", "How often the part could not start, ended with an error or panicked."),
	}
	o.PagesOnly = g.restricted
	guard := o.guard
	for _, p := range parts {
		p.Flags.share(flags)
		k := &keeper{Part: p, log: o.logger().With("part", p.Name), guard: guard, process: newProcess(flags)}
		k.Flags.stats.log = k.log
		if p.Restrict != nil {
			k.restrict = p.Restrict() // The flags of the process say who has a name.
		}
		g.keepers = append(g.keepers, k)
		o.Links = append(o.Links, Link{g.path(p.Name), "Metrics of " + p.Name, ""})
	}
	o.Collectors, o.Ready, o.Reload, o.Background = g.collectors, g.ready, g.reload, g.run
	o.Handlers = map[string]http.Handler{g.path("{part}"): http.HandlerFunc(g.serveMetrics)}
	o.Pages = map[string]http.Handler{"/": http.HandlerFunc(g.serveRoutes)}
	return o
}

// SameParts returns an error that names the parts whose arguments differ: parts read
// their own files again, but begin, end and get their arguments with the process.
func SameParts(running, wanted map[string][]string) error {
	var others []string
	for name, args := range running {
		if now, ok := wanted[name]; !ok || !slices.Equal(args, now) {
			others = append(others, name)
		}
	}
	for name := range wanted {
		if _, ok := running[name]; !ok {
			others = append(others, name)
		}
	}
	if len(others) == 0 {
		return nil
	}
	slices.Sort(others)
	return fmt.Errorf("the parts and arguments of the start stay in force: %s need a restart", strings.Join(others, ", "))
}

// group are the parts of a process.
type group struct {
	flags        *Flags
	own          func(context.Context) error // reloads what is no part's; nil: nothing
	keepers      []*keeper
	up, failures *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (g *group) Describe(ch chan<- *prometheus.Desc) { ch <- g.up; ch <- g.failures }

// Collect implements prometheus.Collector.
func (g *group) Collect(ch chan<- prometheus.Metric) { g.CollectContext(context.Background(), ch) }

// CollectContext sends the state of the parts.
func (g *group) CollectContext(_ context.Context, ch chan<- prometheus.Metric) {
	for _, k := range g.keepers {
		k.mu.Lock()
		up, failures := 0.0, float64(k.failures)
		if k.running != nil {
			up = 1
		}
		k.mu.Unlock()
		ch <- prometheus.MustNewConstMetric(g.up, prometheus.GaugeValue, up, k.Name)
		ch <- prometheus.MustNewConstMetric(g.failures, prometheus.CounterValue, failures, k.Name)
	}
}

// path returns the path of the metrics of a part.
func (g *group) path(part string) string { return strings.TrimSuffix(g.flags.path, "/") + "/" + part }

// run keeps all parts running until ctx ends.
func (g *group) run(ctx context.Context) error {
	var parts sync.WaitGroup
	for _, k := range g.keepers {
		k.Flags.WarnIgnored(k.log)
		parts.Go(func() { k.keep(ctx) })
	}
	parts.Wait()
	return nil
}

// collectors returns the parts in collect[], without those in exclude[].
func (g *group) collectors(q url.Values) ([]ContextCollector, error) {
	known := map[string]ContextCollector{}
	for _, k := range g.keepers {
		known[k.Name] = Named(k.Name, k)
	}
	chosen := maps.Clone(known)
	if only := q["collect[]"]; len(only) > 0 {
		clear(chosen)
		for _, name := range only {
			chosen[name] = known[name]
		}
	}
	for _, name := range q["exclude[]"] {
		if known[name] == nil {
			chosen[name] = nil
			continue
		}
		delete(chosen, name)
	}
	all := []ContextCollector{g}
	for name, c := range chosen {
		if c == nil {
			return nil, fmt.Errorf("there is no part %q; the collectors of a part are chosen at %s", name, g.path("PART"))
		}
		all = append(all, c)
	}
	return all, nil
}

// serveMetrics answers a scrape of one part.
func (g *group) serveMetrics(w http.ResponseWriter, r *http.Request) {
	for _, k := range g.keepers {
		if k.Name != r.PathValue("part") {
			continue
		}
		if part := k.get(); part != nil {
			part.scraper.ServeHTTP(w, r)
			return
		}
		http.Error(w, fmt.Sprintf("the part %s does not run, see the log", k.Name), http.StatusServiceUnavailable)
		return
	}
	http.NotFound(w, r)
}

// serveRoutes answers what the parts have besides metrics.
func (g *group) serveRoutes(w http.ResponseWriter, r *http.Request) {
	for _, k := range g.keepers {
		part := k.get()
		if part == nil {
			continue
		}
		if _, pattern := part.routes.Handler(r); pattern != "" {
			part.routes.ServeHTTP(w, r)
			return
		}
	}
	http.NotFound(w, r)
}

const (
	// readyGrace and reloadGrace are how long nobody waits for a part longer.
	readyGrace  = 2 * time.Second
	reloadGrace = 30 * time.Second
)

// ready returns which parts are not ready, and why.
func (g *group) ready() error {
	return g.each(context.Background(), readyGrace, (*keeper).ready)
}

// reload reloads all parts at the same time, whatever is wrong with what is no
// part's.
func (g *group) reload(ctx context.Context) (err error) {
	if g.own != nil {
		err = g.own(ctx)
	}
	return errors.Join(err, g.each(ctx, reloadGrace, (*keeper).again))
}

// each joins what f returns for each part, of which all run at the same time. It
// does not wait for one that hangs.
func (g *group) each(ctx context.Context, grace time.Duration, f func(*keeper, context.Context) error) error {
	errs := make([]error, len(g.keepers))
	var parts sync.WaitGroup
	for i, k := range g.keepers {
		parts.Go(func() {
			if err := within(grace, func() error { return f(k, ctx) }); err != nil {
				errs[i] = fmt.Errorf("%s: %w", k.Name, err)
			}
		})
	}
	parts.Wait()
	return errors.Join(errs...)
}

// within returns what f returns, or an error if that takes too long.
func within(grace time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- collect.Guard(f) }()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("no answer within %v", grace)
	}
}

// restricted reports whether a part lets the user of a request see pages alone.
func (g *group) restricted(r *http.Request) bool {
	for _, k := range g.keepers {
		k.mu.Lock()
		restrict := k.restrict
		k.mu.Unlock()
		if restrict != nil && restrict(r) {
			return true
		}
	}
	return false
}

// newProcess returns the metrics of the process, nil if they are turned off.
func newProcess(f *Flags) prometheus.Gatherer {
	if f.bare {
		return nil
	}
	reg := prometheus.NewRegistry()
	registerProcess(reg)
	return reg
}
