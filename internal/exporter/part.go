package exporter

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Part is an exporter that shares a process with others. Whatever it does, the
// others go on: it is started again when it cannot start, fails or panics, and
// nobody waits for one that hangs.
type Part struct {
	Name  string // of the part, such as "redis"
	Flags *Flags // of its own application, parsed
	Start func(ctx context.Context, logger *slog.Logger) (Options, error)
	// Restrict is that of the Program.
	Restrict func() func(*http.Request) bool
}

const (
	// minPause and maxPause are how long a part rests after a failure; the pause
	// doubles while it does not stay up for longer than maxPause.
	minPause = time.Second
	maxPause = time.Minute
)

// keeper keeps a part running.
type keeper struct {
	Part
	log      *slog.Logger
	guard    func(http.Handler) http.Handler // for all but pages
	process  prometheus.Gatherer             // what the process has for scrapes of the part alone
	failures uint64                          // guarded by mu

	mu       sync.Mutex
	running  *running                 // nil while the part does not run
	restrict func(*http.Request) bool // Options.PagesOnly, and Restrict before the first start
}

// running is a part between its start and its end.
type running struct {
	options Options
	scraper *scraper
	reload  *reloader
	routes  *http.ServeMux // all but metrics and what every binary has
}

// keep runs the part until ctx ends.
func (k *keeper) keep(ctx context.Context) {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		began := time.Now()
		err := collect.Guard(func() error { return k.once(ctx) })
		if ctx.Err() != nil {
			if err != nil {
				k.log.Error("part stopped", "err", err)
			}
			return
		}
		k.mu.Lock()
		k.failures++
		k.mu.Unlock()
		if time.Since(began) > maxPause {
			pause = minPause
		}
		k.log.Error("part failed, the others go on", withStack("again_in", pause, "err", err)...)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// once starts the part and runs it until ctx ends or it fails.
func (k *keeper) once(ctx context.Context) (err error) {
	o, err := k.Start(ctx, k.log)
	if err != nil {
		return err
	}
	o.Logger = k.log
	defer func() {
		k.set(nil)
		err = errors.Join(err, o.close())
	}()
	r, err := k.newRunning(o)
	if err != nil {
		return err
	}
	k.set(r)
	k.log.Info("part is running")
	if o.Background != nil {
		if err := o.Background(ctx); err != nil {
			return err
		}
	}
	<-ctx.Done() // There may be nothing to do in the background.
	return nil
}

func (k *keeper) set(r *running) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running = r
	if r != nil {
		k.restrict = r.options.PagesOnly
	}
}

// get returns the running part, or nil.
func (k *keeper) get() *running {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.running
}

// newRunning prepares what answers requests.
func (k *keeper) newRunning(o Options) (*running, error) {
	if o.PagesAddress != "" {
		return nil, errors.New("pages have no address of their own in a process with others: leave --web.pages-address out")
	}
	r := &running{options: o, reload: newReloader(k.Flags, &o)}
	r.scraper = newScraper(k.Flags, func(_ context.Context, q url.Values) ([]ContextCollector, func(), error) {
		c, err := o.Collectors(q)
		return c, nil, err
	})
	own := prometheus.NewRegistry()
	own.MustRegister(newBuildInfo(k.Flags.name), k.Flags.stats)
	if o.Reload != nil {
		own.MustRegister(r.reload.successful, r.reload.timestamp)
	}
	r.scraper.own, r.scraper.process = own, k.process
	routes := routes{mux: http.NewServeMux()}
	for pattern, h := range o.Handlers {
		routes.handle(k.path(pattern), k.guard(h))
	}
	for pattern, h := range o.Pages {
		if pattern != HomePattern {
			routes.handle(pattern, h)
		}
	}
	r.routes = routes.mux
	return r, routes.err
}

// probePath is where several exporters have probes; each part has its own below it.
const probePath = "/probe"

// path returns the pattern of a route in a process with other parts.
func (k *keeper) path(pattern string) string {
	if strings.HasSuffix(pattern, probePath) {
		return pattern + "/" + k.Name
	}
	return pattern
}

// ready returns why the part is not ready.
func (k *keeper) ready(context.Context) error {
	r := k.get()
	switch {
	case r == nil:
		return errors.New("does not run")
	case r.options.Ready == nil:
		return nil
	}
	return r.options.Ready()
}

// again reloads the part.
func (k *keeper) again(ctx context.Context) error {
	r := k.get()
	if r == nil || r.options.Reload == nil {
		return nil // It reads everything at its next start, or has nothing to read.
	}
	return r.reload.run(ctx)
}

// Describe implements prometheus.Collector; what a part has is not known before.
func (k *keeper) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (k *keeper) Collect(ch chan<- prometheus.Metric) { k.CollectContext(context.Background(), ch) }

// CollectContext scrapes the part, and sends what it has before ctx ends.
func (k *keeper) CollectContext(ctx context.Context, ch chan<- prometheus.Metric) {
	r := k.get()
	if r == nil {
		return
	}
	page, err := r.scraper.scrape(ctx, url.Values{}, k.timing(ctx))
	if err != nil {
		k.Flags.stats.say("scrape", "part cannot be scraped", "err", err)
		return
	}
	page.send(ch)
}

// timing leaves the process the time to take over what the part has.
func (k *keeper) timing(ctx context.Context) timing {
	limit := k.Flags.scrapeTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = time.Until(deadline)
	}
	return newTiming(http.Header{}, limit, limit/50)
}
