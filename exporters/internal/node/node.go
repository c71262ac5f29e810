// Package node is node_exporter, as a program and as a part of one.
package node

import (
	"context"
	"log/slog"
	"net/url"

	"github.com/dmarc-suite/dmarc-suite/collectors/node"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// Program returns the exporter before it has parsed its arguments.
func Program() *exporter.Program {
	app, f := newApp()
	return &exporter.Program{App: app, Flags: f.Flags, Start: f.start}
}

// start prepares the collectors.
func (f *flags) start(_ context.Context, logger *slog.Logger) (exporter.Options, error) {
	config := f.config
	config.Logger = logger
	collector, err := node.New(f.hostArgs(), config)
	if err != nil {
		return exporter.Options{}, err
	}
	logger.Info("collectors enabled", "collectors", collector.Names())
	return exporter.Options{
		Collectors: func(q url.Values) ([]exporter.ContextCollector, error) {
			c, err := collector.Filter(q["collect[]"], q["exclude[]"])
			if err != nil {
				return nil, err
			}
			return []exporter.ContextCollector{c}, nil
		},
	}, nil
}
