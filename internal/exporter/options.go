package exporter

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors"
)

// ContextCollector is what a collector is for the programs that embed it.
type ContextCollector = collectors.ContextCollector

// Options says what one exporter adds to the trunk.
type Options struct {
	// Logger receives everything the trunk has to say; nil means discard. A Program
	// gives its own.
	Logger *slog.Logger
	// Collectors returns the collectors of one gather. q holds the query of the
	// scrape, such as collect[] and exclude[], without name[]. An error is
	// answered with 400 Bad Request and its text.
	Collectors func(q url.Values) ([]ContextCollector, error)
	// Ready reports why the exporter is not ready, for /-/ready; nil means it
	// always is.
	Ready func() error
	// Reload reads the configuration again, on SIGHUP and, if enabled, POST /-/reload. On an
	// error the old configuration must stay in force. Calls never overlap. Nil
	// means that there is nothing to reload.
	Reload func(ctx context.Context) error
	// ReloadPause is how long it is at least from one reload to the next; 0 means
	// a second.
	ReloadPause time.Duration
	// Handlers are further routes, such as /probe, by http.ServeMux pattern. One
	// with HomePattern takes the place of the landing page.
	Handlers map[string]http.Handler
	// PrivateLog says that lines of the log tell of people: then the landing page
	// shows none.
	PrivateLog bool
	// Pages are routes for people, as Handlers are. They are served on the same
	// listener, or on one of their own when PagesAddress is set.
	Pages        map[string]http.Handler
	PagesAddress string
	// PagesOnly reports whether a request comes from a user who may see Pages and
	// nothing else: everything but /-/healthy is then answered with 403. Nil means that there is no such user.
	PagesOnly func(*http.Request) bool
	// Background runs beside the server from the moment it listens. Its context
	// is cancelled at shutdown, and it is waited for. An error it returns before
	// that stops the process; nil does not.
	Background func(ctx context.Context) error
	// Close frees what the exporter holds, after everything else has ended. Nil means
	// that there is nothing to free.
	Close func() error
	// Links are shown on the landing page, after the metrics.
	Links []Link
}

// Link is a line of the landing page.
type Link struct {
	Address, Text, Description string
}

// logger returns the logger to use, never nil.
func (o *Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// close is Close, which may be nil.
func (o *Options) close() error {
	if o.Close == nil {
		return nil
	}
	return o.Close()
}

// Named gives a collector a name, under which the trunk reports its success and
// duration. A collector may also bring a method Name() string of its own.
func Named(name string, c ContextCollector) ContextCollector {
	return named{ContextCollector: c, name: name}
}

type named struct {
	ContextCollector
	name string
}

func (n named) Name() string { return n.name }

// nameOf returns the name of a collector, or "" if it has none.
func nameOf(c ContextCollector) string {
	if n, ok := c.(interface{ Name() string }); ok {
		return n.Name()
	}
	return ""
}
