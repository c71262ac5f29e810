package exporter

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// HomePattern is the pattern of the page that a person sees first. One of
// Options.Pages or Options.Handlers with it replaces the landing page; metrics at the root replace both.
const HomePattern = "GET /{$}"

// newHandler returns the handler of every route.
func newHandler(f *Flags, o *Options, reload *reloader) (http.Handler, error) {
	r := routes{mux: http.NewServeMux()}
	first := newLanding(f, o)
	r.handle(f.path, o.guard(newMetricsHandler(f, o, reload, first)))
	more := map[string]http.Handler{}
	for pattern, h := range o.Handlers {
		more[pattern] = o.guard(h)
	}
	if o.PagesAddress == "" {
		maps.Copy(more, o.Pages)
	}
	if f.path != "/" && more[HomePattern] == nil {
		r.handle(HomePattern, o.guard(quick(first.ServeHTTP)))
	}
	r.handle("/-/healthy", quick(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") }))
	r.handle("/-/ready", o.guard(quick(func(w http.ResponseWriter, _ *http.Request) {
		if o.Ready != nil {
			if err := o.Ready(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "OK")
	})))
	r.handle("POST /-/reload", o.guard(lifecycle(f, reload)))
	if f.pprof {
		addProfiles(&r, o.guard)
	}
	for pattern, h := range more {
		switch _, path, _ := strings.Cut(pattern, " "); {
		case path == f.path && r.err == nil:
			// The mux would take the route with a method for the better one.
			r.err = fmt.Errorf("route %s: --web.telemetry-path is that of a page", f.path)
		case pattern != HomePattern || f.path != "/":
			r.handle(pattern, h)
		}
	}
	return r.mux, r.err
}

// guard is a handler for all but those who may see Options.Pages alone.
func (o *Options) guard(h http.Handler) http.Handler {
	if o.PagesOnly == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.PagesOnly(r) {
			h.ServeHTTP(w, r)
			return
		}
		limitClient(w, time.Now().Add(clientGrace))
		http.Error(w, "This user may see some of the pages, and nothing else.", http.StatusForbidden)
	})
}

// newPagesHandler returns the handler of pages that have a listener of their own.
func newPagesHandler(o *Options) (http.Handler, error) {
	r := routes{mux: http.NewServeMux()}
	for pattern, h := range o.Pages {
		r.handle(pattern, h)
	}
	return r.mux, r.err
}

// lifecycle is a handler that changes the process, which is not for everybody
// who may scrape.
func lifecycle(f *Flags, h http.Handler) http.Handler {
	if f.lifecycle {
		return h
	}
	return quick(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "The lifecycle API is not enabled: send SIGHUP, or start with --web.enable-lifecycle.", http.StatusForbidden)
	})
}

// newMetricsHandler returns the handler of /metrics, and of the exporter's own
// metrics in it.
func newMetricsHandler(f *Flags, o *Options, reload *reloader, first *landing) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newBuildInfo(f.name), f.stats)
	if o.Reload != nil {
		reg.MustRegister(reload.successful, reload.timestamp)
	}
	s := newScraper(f, func(_ context.Context, q url.Values) ([]ContextCollector, func(), error) {
		c, err := o.Collectors(q)
		return c, nil, err
	})
	s.own, s.note = reg, first.note
	if f.bare {
		return s
	}
	registerProcess(reg)
	// What promhttp calls its own errors; that of gathering is none here.
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "promhttp_metric_handler_errors_total", Help: "Total number of internal errors encountered by the promhttp metric handler.",
	}, []string{"cause"})
	failed.WithLabelValues("gathering")
	s.failed = failed.WithLabelValues("encoding")
	reg.MustRegister(failed)
	return promhttp.InstrumentMetricHandler(reg, s)
}

// registerProcess registers the metrics of the process.
func registerProcess(reg *prometheus.Registry) {
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// quick is a handler that answers at once and grants the client little time.
func quick(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limitClient(w, time.Now().Add(clientGrace))
		h(w, r)
	})
}

// routes is a mux whose patterns may come from flags.
type routes struct {
	mux *http.ServeMux
	err error // the first
}

// handle adds a route. A pattern that is malformed or taken sets r.err.
func (r *routes) handle(pattern string, h http.Handler) {
	defer func() {
		if v := recover(); v != nil && r.err == nil {
			r.err = fmt.Errorf("route %s: %v", pattern, v)
		}
	}()
	if !strings.Contains(pattern, "/") {
		panic("a path begins with a slash")
	}
	r.mux.Handle(pattern, h)
}
