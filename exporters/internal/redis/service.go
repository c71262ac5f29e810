package redis

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/redis"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// service is the server of --redis.addr, and what a reload replaces.
type service struct {
	flags       *flags
	logger      *slog.Logger
	collector   collector.Config // of all collectors
	credentials *credentials     // of --redis.addr, and of probes without a module
	errors      prometheus.Counter

	main    *collector.Collector // nil without an address
	client  redis.UniversalClient
	cluster redis.UniversalClient // nil unless --is-cluster

	mu      sync.Mutex
	prober  http.Handler
	targets *targets
}

// newService prepares everything; it connects to nothing. Passwords come from
// files or the environment, never from flags.
func newService(f *flags, getenv func(string) string, logger *slog.Logger) (*service, error) {
	config, err := f.collectorConfig()
	if err != nil {
		return nil, err
	}
	config.Logger = logger
	s := &service{
		flags: f, logger: logger, collector: config,
		credentials: &credentials{
			user: f.user, timeout: f.connection.timeout,
			password: secretOf(getenv("REDIS_PASSWORD"), f.passwordFile),
			sentinel: secretOf(getenv("REDIS_SENTINEL_PASSWORD"), f.sentinelPasswordFile),
			tls:      &tlsFiles{config: f.tls},
		},
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: f.namespace, Name: "target_scrape_request_errors_total", Help: "Probes that were not answered with metrics.",
		}),
	}
	if f.setClientName {
		s.credentials.name = "redis_exporter"
	}
	if err := s.reload(context.Background()); err != nil {
		return nil, err
	}
	return s, s.connect()
}

// connect prepares the collector of --redis.addr.
func (s *service) connect() error {
	if s.flags.addr == "" {
		return nil
	}
	a, err := parseAddress(s.flags.addr)
	if err != nil {
		return fmt.Errorf("--redis.addr: %w", err)
	}
	names := namesOf(s.flags.addr, a)
	s.client = s.credentials.client(a, names)
	config := s.collector
	if s.flags.cluster {
		s.cluster = s.credentials.clusterClient(a, names)
		config.Keys.Client = s.cluster
	}
	s.main = collector.New(s.client, config)
	return nil
}

// namesOf returns what a file of passwords may call the server at an address.
func namesOf(text string, a address) []string {
	host := a.hosts[0]
	names := []string{text, host, "redis://" + host, "rediss://" + host, "unix://" + host}
	if a.user != "" {
		names = append(names, "redis://"+a.user+"@"+host, "rediss://"+a.user+"@"+host)
	}
	return names
}

// reload reads all files again: certificates, the configuration, passwords. On
// an error everything stays as it was.
func (s *service) reload(context.Context) error {
	c, err := loadConfig(s.flags.configFile)
	if err != nil {
		return err
	}
	for _, one := range []config.Secret{s.credentials.password, s.credentials.sentinel} {
		if _, err := passwordFor(one); err != nil {
			return err
		}
	}
	fresh, err := newTargets(s, c.Probe.Modules)
	if err != nil {
		return err
	}
	if err := s.credentials.tls.load(); err != nil {
		return err
	}
	s.mu.Lock()
	old := s.targets
	s.targets = fresh
	s.prober = exporter.Probe(s.flags.Flags, c.Probe.Targets, fresh.probe)
	s.mu.Unlock()
	if old != nil {
		old.close()
	}
	return nil
}

// collectors returns the collectors of a scrape.
func (s *service) collectors(url.Values) ([]exporter.ContextCollector, error) {
	all := []exporter.ContextCollector{plain{s.errors}}
	if s.main != nil {
		all = append(all, exporter.Named("redis", s.main))
	}
	return all, nil
}

// plain is a collector that needs no deadline.
type plain struct{ prometheus.Collector }

func (p plain) CollectContext(_ context.Context, ch chan<- prometheus.Metric) { p.Collect(ch) }

// background does the work on keys of --redis.addr.
func (s *service) background(ctx context.Context) error {
	if s.main == nil {
		return nil
	}
	return s.main.Run(ctx)
}

// close closes all clients.
func (s *service) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets.close()
	for _, c := range []redis.UniversalClient{s.client, s.cluster} {
		if c != nil {
			_ = c.Close() // Nothing is left to be done with it.
		}
	}
}
