// Package redis is redis_exporter, as a program and as a part of one.
package redis

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/redis/go-redis/v9/logging"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// Run is the program; it returns the exit code.
func Run(args []string, stdout, stderr io.Writer) int {
	p, f := newProgram()
	if _, code, ok := p.Parse(args, stdout, stderr); !ok {
		return code
	}
	logger := f.Logger(stderr)
	if f.configCheck {
		s, err := newService(f, os.Getenv, logger)
		if err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		s.close()
		fmt.Fprintln(stdout, "the configuration is valid")
		return 0
	}
	if p.Serve(context.Background(), logger) != nil {
		return 1
	}
	return 0
}

// Program returns the exporter before it has parsed its arguments.
func Program() *exporter.Program {
	p, _ := newProgram()
	return p
}

func newProgram() (*exporter.Program, *flags) {
	app, f := newApp()
	return &exporter.Program{App: app, Flags: f.Flags, Args: exporter.UpstreamArgs, Start: f.start}, f
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
		Name:        "redis_exporter",
		Description: "Metrics of Redis, Valkey, KeyDB and Dragonfly.",
		Logger:      logger,
		Collectors:  s.collectors,
		Reload:      s.reload,
		Background:  s.background,
		Close:       func() error { s.close(); return nil },
		Handlers:    handlers,
		Links:       links,
	}, nil
}
