// Command redis_exporter exposes the metrics of Redis and of servers like it.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/redis/go-redis/v9/logging"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	app, f := newApp()
	if _, code, ok := exporter.Parse(app, exporter.UpstreamArgs(app, args), stdout, stderr); !ok {
		return code
	}
	logging.Disable() // The client says to stderr what it returns as errors, too.
	logger := f.Logger(stderr)
	s, err := newService(f, os.Getenv, logger)
	switch {
	case err != nil && f.configCheck:
		fmt.Fprintln(stderr, err)
		return 1
	case err != nil:
		logger.Error("cannot start", "err", err)
		return 1
	}
	defer s.close()
	if f.configCheck {
		fmt.Fprintln(stdout, "the configuration is valid")
		return 0
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
	err = exporter.Serve(context.Background(), f.Flags, exporter.Options{
		Name:        "redis_exporter",
		Description: "Metrics of Redis, Valkey, KeyDB and Dragonfly.",
		Logger:      logger,
		Collectors:  s.collectors,
		Reload:      s.reload,
		Background:  s.background,
		Handlers:    handlers,
		Links:       links,
	})
	if err != nil {
		logger.Error("stopped", "err", err)
		return 1
	}
	return 0
}
