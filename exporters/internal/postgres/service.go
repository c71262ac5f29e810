package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

// service holds what a reload replaces.
type service struct {
	flags  *flags
	logger *slog.Logger
	probed *probed
	loads  *loads

	mu      sync.Mutex
	config  *fileConfig
	queries []*queryfile.Query
	servers []*server
	start   func(*server) // runs the background queries of a server; nil before background
}

// server is a server that is scraped at /metrics.
type server struct {
	name      string // host:port
	source    source
	labels    map[string]string
	sessions  *postgres.Sessions
	collector *postgres.Collector
	stop      context.CancelFunc // of Run; nil while it does not run
	done      chan struct{}
}

func newService(f *flags, logger *slog.Logger) *service {
	s := &service{flags: f, logger: logger, loads: newLoads()}
	s.probed = newProbed(f, logger)
	return s
}

// reload reads the configuration and the query files, and replaces what has
// changed. On error everything stays as it is.
func (s *service) reload(context.Context) error {
	c, err := loadConfig(s.flags.configFile)
	if err != nil {
		return err
	}
	queries, err := s.loadQueries()
	if err != nil {
		return err
	}
	all, err := sources(c)
	if err != nil {
		return err
	}
	labels, err := parseLabels(s.flags.labels)
	if err != nil {
		return fmt.Errorf("--constantLabels: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.newServers(all, labels, queries)
	if err != nil {
		return err
	}
	s.replace(next)
	s.config, s.queries = c, queries
	s.probed.set(c, queries)
	return nil
}

// loadQueries returns the queries of the files, the DMARC pack and the core
// pack. What a file defines takes the place of what is built in.
func (s *service) loadQueries() ([]*queryfile.Query, error) {
	custom, err := s.flags.loadCustom()
	s.loads.note(custom, err)
	if err != nil {
		return nil, err
	}
	queries, dropped, err := s.flags.withPacks(custom.Queries)
	if err != nil {
		return nil, err
	}
	if len(dropped) > 0 {
		s.logger.Warn("query files replace built-in queries", "names", strings.Join(dropped, ","))
	}
	return queries, nil
}

// newServers returns a server for each source: the present one if nothing has
// changed about it.
func (s *service) newServers(all []source, labels map[string]string, queries []*queryfile.Query) ([]*server, error) {
	var next []*server
	for i, src := range all {
		address, err := src.address()
		if err != nil {
			return nil, fmt.Errorf("data source %d: %w", i+1, err)
		}
		own := maps.Clone(labels)
		if len(all) > 1 {
			own["server"] = address
		}
		maps.Copy(own, src.labels)
		n := &server{name: address, source: src, labels: own}
		if old := s.find(n); old != nil {
			n = old
		}
		next = append(next, n)
	}
	for _, n := range next {
		if n.collector == nil {
			n.sessions = postgres.Open(n.source.settings, s.flags.sessions)
			n.collector = postgres.New(n.sessions, queries, postgres.Config{Labels: n.labels, Logger: s.logger.With("server", n.name)})
		} else {
			n.collector.SetQueries(queries)
		}
	}
	return next, nil
}

// find returns the present server that is the same as n.
func (s *service) find(n *server) *server {
	for _, old := range s.servers {
		if old.name == n.name && maps.Equal(old.labels, n.labels) && reflect.DeepEqual(old.source.config, n.source.config) {
			return old
		}
	}
	return nil
}

// replace makes next the present servers. Scrapes of those that are gone finish
// first. The caller holds s.mu.
func (s *service) replace(next []*server) {
	for _, old := range s.servers {
		if !slices.Contains(next, old) {
			old.end()
		}
	}
	s.servers = next
	s.startAll()
}

// startAll runs the background queries of servers that are new. The caller holds
// s.mu.
func (s *service) startAll() {
	for _, n := range s.servers {
		if s.start != nil && n.stop == nil {
			s.start(n)
		}
	}
}

// run runs the background queries of a server until ctx ends.
// A panic ends everything with fail.
func (n *server) run(ctx context.Context, fail context.CancelCauseFunc) {
	ctx, cancel := context.WithCancel(ctx)
	n.stop, n.done = cancel, make(chan struct{})
	go func() {
		defer close(n.done)
		if err := collect.Guard(func() error { return n.collector.Run(ctx) }); err != nil {
			fail(fmt.Errorf("queries of %s in the background: %w", n.name, err))
		}
	}()
}

// end stops the background queries and closes the sessions.
func (n *server) end() {
	if n.stop != nil {
		n.stop()
		<-n.done
	}
	n.sessions.Close()
}

// background runs the background queries until ctx ends or they fail.
func (s *service) background(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	s.mu.Lock()
	s.start = func(n *server) { n.run(ctx, fail) }
	s.startAll()
	s.mu.Unlock()
	err := collect.Guard(func() error { s.probed.expire(ctx); return nil })
	fail(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = nil
	for _, n := range s.servers {
		n.end()
	}
	s.probed.close()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// collectors returns the collectors of a scrape: of the queries in collect[],
// without those in exclude[].
func (s *service) collectors(q url.Values) ([]exporter.ContextCollector, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	collect, exclude := q["collect[]"], q["exclude[]"]
	if err := known(s.queries, collect, exclude); err != nil {
		return nil, err
	}
	var all []exporter.ContextCollector
	for _, n := range s.servers {
		called := "postgres"
		if len(s.servers) > 1 {
			called += " " + n.name
		}
		all = append(all, exporter.Named(called, n.collector.Select(collect, exclude)))
	}
	return append(all, exporter.Named("query_files", s.loads)), nil
}

// known returns an error if there is no query of one of the names.
func known(queries []*queryfile.Query, lists ...[]string) error {
	for _, name := range slices.Concat(lists...) {
		if !slices.ContainsFunc(queries, func(q *queryfile.Query) bool { return q.Name == name }) {
			return fmt.Errorf("there is no query %q", name)
		}
	}
	return nil
}

// parseLabels reads name=value pairs separated by commas.
func parseLabels(s string) (map[string]string, error) {
	labels := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); !found || !labelName.MatchString(name) {
			return nil, fmt.Errorf("%q is not of the form name=value", pair)
		}
		labels[name] = strings.TrimSpace(value)
	}
	return labels, nil
}
