// Package redis is redis_exporter, as a program and as a part of one.
package redis

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/redis/go-redis/v9/logging"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// Program returns the exporter before it has parsed its arguments.
func Program() *exporter.Program {
	app, f := newApp()
	return &exporter.Program{App: app, Flags: f.Flags, Args: exporter.UpstreamArgs, Before: f.check, Start: f.start}
}

// check is --config.check.
func (f *flags) check(_ string, logger *slog.Logger, stdout, stderr io.Writer) (code int, done bool) {
	if !f.configCheck {
		return 0, false
	}
	s, err := newService(f, os.Getenv, logger)
	if err == nil {
		s.close()
	}
	return exporter.Checked(err, stdout, stderr), true
}

// start prepares the service.
func (f *flags) start(_ context.Context, logger *slog.Logger) (exporter.Options, error) {
	logging.Disable() // The client says to stderr what it returns as errors, too.
	s, err := newService(f, os.Getenv, logger)
	if err != nil {
		return exporter.Options{}, err
	}
	handlers := map[string]http.Handler{
		"/discover-cluster-nodes": http.HandlerFunc(s.discover),
		// As the established exporter has it; /-/healthy is that of all exporters.
		"/health": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
	}
	links := []exporter.Link{{Address: "/discover-cluster-nodes", Text: "Cluster nodes", Description: "the nodes of the cluster, for HTTP service discovery"}}
	if !f.noProbes {
		probe := s.countErrors(s)
		handlers["/probe"], handlers["/scrape"] = probe, probe
		links = append(links, exporter.Link{Address: "/probe", Text: "Probe", Description: "metrics of an allowed target"})
	}
	return exporter.Options{
		Collectors: s.collectors,
		Reload:     s.reload,
		Background: s.background,
		Close:      func() error { s.close(); return nil },
		Handlers:   handlers,
		Links:      links,
	}, nil
}
