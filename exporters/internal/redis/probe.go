package redis

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/redis"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// maxTargets is how many targets of probes stay connected.
const maxTargets = 256

// targets are the servers that were probed. They stay connected, so that a probe
// costs no connection either.
type targets struct {
	service *service
	modules map[string]*credentials

	mu     sync.Mutex
	byKey  map[string]*target
	closed bool
}

// target is one server, seen with one module and one set of parameters.
type target struct {
	*collector.Collector
	client redis.UniversalClient
	users  int // probes under way, guarded by targets.mu
	used   time.Time
	stale  bool // to be closed after the last user
}

// newTargets prepares the modules.
func newTargets(s *service, modules map[string]module) (*targets, error) {
	t := &targets{service: s, modules: map[string]*credentials{"": s.credentials}, byKey: map[string]*target{}}
	for name, m := range modules {
		c := &credentials{
			user: m.Username, timeout: s.credentials.timeout, name: s.credentials.name,
			password: config.SecretFile(m.PasswordFile), sentinel: config.SecretFile(m.SentinelPasswordFile),
			tls: &tlsFiles{config: m.TLS},
		}
		if err := c.tls.load(); err != nil {
			return nil, fmt.Errorf("probe.modules.%s: %w", name, err)
		}
		t.modules[name] = c
	}
	return t, nil
}

// queryKey finds the parameters of a probe in its context.
type queryKey struct{}

// ServeHTTP answers /probe and /scrape by the configuration in force.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	prober := s.prober
	s.mu.Unlock()
	prober.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), queryKey{}, r.URL.Query())))
}

// probe returns the collector of one target.
func (t *targets) probe(ctx context.Context, name, module string) (exporter.ContextCollector, func(), error) {
	q, _ := ctx.Value(queryKey{}).(url.Values)
	credentials, ok := t.modules[module]
	if !ok {
		return nil, nil, fmt.Errorf("module %q is not configured", module)
	}
	one, err := t.get(credentials, name, module, q)
	if err != nil {
		return nil, nil, err
	}
	return probed{one.Collector}, func() { t.put(one) }, nil
}

// get returns a target that put gives back. After a reload, probes that began
// before it are still answered, each by a target of its own.
func (t *targets) get(c *credentials, name, module string, q url.Values) (*target, error) {
	q = maps.Clone(q)
	q.Del("target")
	q.Del("module")
	key := module + "\x00" + name + "\x00" + q.Encode()
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.byKey[key]
	if one == nil {
		var err error
		if one, err = t.newTarget(c, name, q); err != nil {
			return nil, err
		}
		if one.stale = t.closed; !t.closed {
			t.evict()
			t.byKey[key] = one
		}
	}
	one.users++
	one.used = time.Now()
	return one, nil
}

// newTarget prepares the collector of a target.
func (t *targets) newTarget(c *credentials, name string, q url.Values) (*target, error) {
	a, err := parseAddress(name)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	config := t.service.collector
	if err := t.service.flags.parameters(&config.Keys, q); err != nil {
		return nil, err
	}
	config.Logger = config.Logger.With("target", a.hosts[0])
	config.Scripts = nil
	config.Keys.Timeout = min(config.Keys.Timeout, 5*time.Second)
	client := c.client(a, namesOf(name, a))
	return &target{Collector: collector.New(client, config), client: client}, nil
}

// put ends one use of a target.
func (t *targets) put(one *target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.users--; one.users == 0 && one.stale {
		_ = one.client.Close()
	}
}

// evict makes room for one more target. The caller holds t.mu.
func (t *targets) evict() {
	if len(t.byKey) < maxTargets {
		return
	}
	oldest := ""
	for key, one := range t.byKey {
		if oldest == "" || one.used.Before(t.byKey[oldest].used) {
			oldest = key
		}
	}
	t.drop(oldest)
}

// drop forgets a target, and closes it once nobody uses it. The caller holds t.mu.
func (t *targets) drop(key string) {
	one := t.byKey[key]
	delete(t.byKey, key)
	one.stale = true
	if one.users == 0 {
		_ = one.client.Close()
	}
}

// close closes all targets, those in use after their last probe.
func (t *targets) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for key := range t.byKey {
		t.drop(key)
	}
}

// probed looks at keys within the probe that finds them due, in half its time.
type probed struct{ *collector.Collector }

func (p probed) CollectContext(ctx context.Context, ch chan<- prometheus.Metric) {
	if deadline, ok := ctx.Deadline(); ok {
		half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
		p.RefreshIfDue(half)
		cancel()
	}
	p.Collector.CollectContext(ctx, ch)
}

// countErrors counts answers that are not metrics.
func (s *service) countErrors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &status{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		if seen.code >= http.StatusBadRequest {
			s.errors.Inc()
		}
	})
}

// status notes the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController through.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
