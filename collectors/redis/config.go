package redis

import (
	"log/slog"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config is what to collect. Its zero value is the default of every field.
type Config struct {
	// Namespace is the first word of every metric; "" means "redis".
	Namespace string
	// Logger gets a line when the state of the server changes; nil discards.
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
	// ModuleMetrics exports what modules write into INFO MODULES.
	ModuleMetrics bool
	// SearchIndexes are the names of indexes of the search module that Run looks
	// at; nil means none.
	SearchIndexes *regexp.Regexp
	// SentinelPeers exports the other sentinels of each master of a sentinel.
	SentinelPeers bool
	// SlotStats exports what a node of a cluster counts by slot: four series for
	// each of up to 16,384 slots.
	SlotStats bool
	// SnapshotSize exports the size of the file of the snapshot, if the collector
	// runs where the server does.
	SnapshotSize bool

	// MaxClientList is how many clients there may be for CLIENT LIST to be asked
	// for; 0 means 1,000, a negative number never.
	MaxClientList int
	// MaxClientSeries is how many clients are exported one by one; 0 means none.
	MaxClientSeries int
	// ClientPorts adds the port to what is exported of single clients.
	ClientPorts bool

	// Keys is what Run finds out about keys, and when it does.
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

// Key names a key, or a pattern of keys, in a database.
type Key struct {
	DB   int
	Name string
}

// KeysConfig is what to find out about keys, beside the collections. Nothing
// is asked for by its zero value; a field that bounds something has a default.
type KeysConfig struct {
	// Single are keys whose size, memory and value are exported.
	Single []Key
	// Patterns are glob patterns of keys to export in the same way.
	Patterns []Key
	// Counts are glob patterns whose matches are counted.
	Counts []Key
	// Streams and StreamPatterns are streams to export with their groups.
	Streams, StreamPatterns []Key
	// NoConsumers leaves out the consumers of the groups of streams.
	NoConsumers bool
	// Queues are lists, or other collections, whose length is exported, as 0 if
	// they are missing: an empty list does not exist.
	Queues []Key
	// Groups sort keys of all databases: the captures of the first expression
	// that matches are the group, which is exported with its size in memory.
	Groups []*regexp.Regexp
	// NoValues leaves out the values of keys.
	NoValues bool
	// SkipOnMaster leaves the work to the replicas.
	SkipOnMaster bool

	// Interval is the time between two refreshes; 0 means one minute.
	Interval time.Duration
	// Timeout is how long a refresh may take; 0 means 30 s.
	Timeout time.Duration
	// BatchSize is the COUNT of SCAN, and how many keys are asked about in one
	// round trip; 0 means 1,000.
	BatchSize int
	// MaxScanned is how many keys a refresh may walk over; 0 means 10 million.
	MaxScanned int
	// MaxKeys is how many keys, and how many streams, groups and consumers of
	// streams together, are exported one by one; 0 means 500.
	MaxKeys int
	// MaxGroups is how many groups are exported; the rest are in the group
	// "overflow"; 0 means 100.
	MaxGroups int
	// Client reaches all keys if the client of the collector reaches those of
	// one node only; nil means that it reaches them all.
	Client redis.UniversalClient
}

func (k *KeysConfig) setDefaults() {
	if k.Interval <= 0 {
		k.Interval = time.Minute
	}
	if k.Timeout <= 0 {
		k.Timeout = 30 * time.Second
	}
	if k.BatchSize <= 0 {
		k.BatchSize = 1000
	}
	if k.MaxScanned <= 0 {
		k.MaxScanned = 10_000_000
	}
	if k.MaxKeys <= 0 {
		k.MaxKeys = 500
	}
	if k.MaxGroups <= 0 {
		k.MaxGroups = 100
	}
}

// exact reports whether keys are asked for by name.
func (k *KeysConfig) exact() bool {
	return len(k.Single)+len(k.Streams)+len(k.Queues) > 0
}

// scans reports whether the keyspace has to be walked over.
func (k *KeysConfig) scans() bool {
	return len(k.Patterns)+len(k.Counts)+len(k.StreamPatterns)+len(k.Groups) > 0
}

// Script is a Lua script that returns a flat table of names and numbers. It is
// run read-only, by EVAL_RO of Redis 7, without keys.
type Script struct {
	Name string // the label "filename"
	Text string
}
