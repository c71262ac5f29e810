package redis

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// Config says what to collect. Its zero value is the default of every field.
type Config struct {
	// Namespace is the first word of every metric; "" means "redis".
	Namespace string
	// Logger is told once when the state of the server changes; nil discards.
	Logger *slog.Logger
	// Timeout is the deadline of Collect, and of CollectContext if its context
	// has none; 0 means 10 s.
	Timeout time.Duration

	// ConfigCommand is the name of the CONFIG command, for servers that renamed
	// it; "" means CONFIG, "-" that it is not used.
	ConfigCommand string
	// ConfigValues exports every parameter of the configuration, secrets hidden.
	ConfigValues bool
	// SystemMetrics exports the memory of the server's host.
	SystemMetrics bool
	// NoLatencyHistogram leaves out the histograms of LATENCY HISTOGRAM.
	NoLatencyHistogram bool
	// SkipEmptyDatabases leaves out databases without keys.
	SkipEmptyDatabases bool
	// Ping measures a PING, in a round trip of its own.
	Ping bool

	// MaxClientList is how many clients there may be for CLIENT LIST to be asked
	// for; 0 means 1,000, a negative number never.
	MaxClientList int
	// MaxClientSeries is how many clients are exported one by one; 0 means none.
	MaxClientSeries int
	// ClientPorts adds the port to what is exported of single clients.
	ClientPorts bool

	// Keys says what Run finds out about keys.
	Keys KeysConfig
	// Scripts are what Run runs, each for ScriptTimeout at most; 0 means 5 s.
	Scripts       []Script
	ScriptTimeout time.Duration
}

func (c Config) withDefaults() *Config {
	if c.Namespace == "" {
		c.Namespace = "redis"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.ConfigCommand == "" {
		c.ConfigCommand = "CONFIG"
	}
	if c.MaxClientList == 0 {
		c.MaxClientList = 1000
	}
	if c.ScriptTimeout <= 0 {
		c.ScriptTimeout = 5 * time.Second
	}
	c.Keys.setDefaults()
	return &c
}

// Collector collects the metrics of one server. All methods may be called
// concurrently; collections at the same time share one.
type Collector struct {
	client   redis.UniversalClient
	config   *Config
	families *families
	now      func() time.Time
	dials    dialTimer

	mu      sync.Mutex
	current *flight // nil while nothing is collected
	state   state

	background    background
	scriptReasons map[string]Reason // of their last runs, guarded by background.running
}

// New returns a collector for the server behind client, which stays the
// caller's to close. Of a cluster's client, the node that owns the first slot is
// shown; a collector for each node shows them all.
func New(client redis.UniversalClient, config Config) *Collector {
	c := &Collector{client: client, config: config.withDefaults(), now: time.Now, scriptReasons: map[string]Reason{}}
	c.families = newFamilies(c.config)
	c.background.tasks = c.newTasks()
	c.state.refused = map[*part]refusal{}
	client.AddHook(&c.dials)
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families.all {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector with the deadline Config.Timeout.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.CollectContext(context.Background(), ch)
}

// CollectContext collects until ctx is done and sends what is known by then:
// at least redis_up.
func (c *Collector) CollectContext(ctx context.Context, ch chan<- prometheus.Metric) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.Timeout)
		defer cancel()
	}
	w := &writer{families: c.families, config: c.config, now: c.now()}
	w.metrics = make([]prometheus.Metric, 0, 4*block)
	w.write(c.snapshot(ctx))
	w.tasks(&c.background)
	for _, m := range w.metrics {
		ch <- m
	}
}
