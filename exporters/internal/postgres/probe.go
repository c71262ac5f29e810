package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
)

const (
	// probeIdle is how long the sessions of a probed server are kept.
	probeIdle = 10 * time.Minute
	// maxProbed is how many servers have sessions at the same time.
	maxProbed = 200
)

// probed keeps the servers of /probe between their scrapes, so that sessions
// and totals last.
type probed struct {
	flags  *flags
	logger *slog.Logger

	mu      sync.Mutex
	config  *fileConfig
	queries []*queryfile.Query
	handler http.Handler
	servers map[probeKey]*probedServer
}

type probeKey struct{ target, module string }

type probedServer struct {
	sessions  *postgres.Sessions
	collector *postgres.Collector
	users     int
	used      time.Time
	gone      bool // close with the last user
}

func newProbed(f *flags, logger *slog.Logger) *probed {
	return &probed{flags: f, logger: logger, servers: map[probeKey]*probedServer{}}
}

// set makes a configuration the present one. Servers of before are let go.
func (p *probed) set(c *fileConfig, queries []*queryfile.Query) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config, p.queries = c, queries
	p.handler = exporter.Probe(p.flags.Flags, c.Probe.Targets, p.build)
	for key := range p.servers {
		p.drop(key)
	}
}

// drop lets a server go. The caller holds p.mu.
func (p *probed) drop(key probeKey) {
	s := p.servers[key]
	delete(p.servers, key)
	s.gone = true
	if s.users == 0 {
		s.sessions.Close()
	}
}

// build returns the collector of a target. postgres_exporter calls the module
// auth_module.
func (p *probed) build(_ context.Context, target, moduleName string) (exporter.ContextCollector, func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := probeKey{target, moduleName}
	s := p.servers[key]
	if s == nil {
		m, ok := p.config.AuthModules[moduleName]
		if !ok && moduleName != "" {
			return nil, nil, fmt.Errorf("there is no auth_module %q", moduleName)
		}
		src, err := probeSource(target, m)
		if err != nil {
			return nil, nil, err
		}
		if len(p.servers) >= maxProbed {
			p.dropOldest()
		}
		s = &probedServer{sessions: postgres.Open(src.settings, p.flags.sessions)}
		s.collector = postgres.New(s.sessions, p.queries, postgres.Config{Logger: p.logger.With("target", target)})
		p.servers[key] = s
	}
	s.users++
	s.used = time.Now()
	return s.collector, func() { p.free(s) }, nil
}

func (p *probed) free(s *probedServer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	if s.users == 0 && s.gone {
		s.sessions.Close()
	}
}

func (p *probed) dropOldest() {
	var oldest probeKey
	first := true
	for key, s := range p.servers {
		if first || s.used.Before(p.servers[oldest].used) {
			oldest, first = key, false
		}
	}
	p.drop(oldest)
}

// expire lets servers go that nobody asks for any more, until ctx ends.
func (p *probed) expire(ctx context.Context) {
	tick := time.NewTicker(probeIdle / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		for key, s := range p.servers {
			if s.users == 0 && time.Since(s.used) > probeIdle {
				p.drop(key)
			}
		}
		p.mu.Unlock()
	}
}

func (p *probed) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.servers {
		p.drop(key)
	}
}

// ServeHTTP answers /probe by the configuration in force.
func (p *probed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	handler := p.handler
	p.mu.Unlock()
	if q := r.URL.Query(); q.Has("auth_module") { // postgres_exporter's name for it
		q.Set("module", q.Get("auth_module"))
		q.Del("auth_module")
		r = r.Clone(r.Context())
		r.URL.RawQuery = q.Encode()
	}
	handler.ServeHTTP(w, r)
}
