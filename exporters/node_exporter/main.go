// Command node_exporter exposes metrics of a host: upstream's collectors, run so
// that none of them can hold up a scrape, and containers and certificates.
package main

import (
	"context"
	"io"
	"net/url"
	"os"

	"github.com/dmarc-suite/dmarc-suite/collectors/node"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	app, f := newApp()
	if _, code, ok := exporter.Parse(app, args, stdout, stderr); !ok {
		return code
	}
	logger := f.Logger(stderr)
	f.config.Logger = logger
	collector, err := node.New(f.hostArgs(), f.config)
	if err != nil {
		logger.Error("cannot start", "err", err)
		return 1
	}
	logger.Info("collectors enabled", "collectors", collector.Names())
	err = exporter.Serve(context.Background(), f.Flags, exporter.Options{
		Name:        "node_exporter",
		Description: "Metrics of a host, of its containers and certificates.",
		Logger:      logger,
		Collectors: func(q url.Values) ([]exporter.ContextCollector, error) {
			c, err := collector.Filter(q["collect[]"], q["exclude[]"])
			if err != nil {
				return nil, err
			}
			return []exporter.ContextCollector{c}, nil
		},
	})
	if err != nil {
		logger.Error("stopped", "err", err)
		return 1
	}
	return 0
}
