package redis

import (
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"
)

// Key names a key, or a pattern of keys, in a database.
type Key struct {
	DB   int
	Name string
}

// KeysConfig says what to find out about keys, beside the collections. Nothing
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

// maxName is the length of the longest name of a key that becomes a label.
const maxName = 256

// maxValue is the length of the longest value of a key that becomes a label.
const maxValue = 128
