package redis

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/redis"
)

// collectorConfig returns what the flags ask of a collector.
func (f *flags) collectorConfig() (collector.Config, error) {
	c := collector.Config{
		Namespace: f.namespace, ConfigCommand: f.configCommand, ConfigValues: f.configValues,
		SystemMetrics: f.system, NoLatencyHistogram: f.noHistograms, SkipEmptyDatabases: !f.emptyDatabases,
		Ping: f.ping, MaxClientList: f.maxClientList, ClientPorts: f.clientPorts, ScriptTimeout: f.scriptTimeout,
		ModuleMetrics: f.modules, SentinelPeers: f.peers, SlotStats: f.slots, SnapshotSize: f.snapshot,
	}
	if f.search {
		c.SearchIndexes = f.searchIndexes
	}
	if f.clientList {
		c.MaxClientSeries = f.maxClientSeries
	}
	var err error
	if c.Scripts, err = readScripts(f.scripts); err != nil {
		return c, err
	}
	c.Keys, err = f.keysConfig()
	return c, err
}

// keysConfig returns what the flags ask about keys.
func (k *keyFlags) keysConfig() (collector.KeysConfig, error) {
	c := collector.KeysConfig{
		NoConsumers: k.noConsumers, NoValues: k.noValues, SkipOnMaster: k.skipOnMaster,
		Interval: k.interval, Timeout: k.timeout, BatchSize: k.batch,
		MaxScanned: k.maxScanned, MaxKeys: k.maxKeys, MaxGroups: k.maxGroups,
	}
	err := k.parameters(&c, url.Values{
		"check-keys": {k.keys}, "check-single-keys": {k.singleKeys}, "count-keys": {k.counts},
		"check-streams": {k.streams}, "check-single-streams": {k.singleStreams}, "check-queues": {k.queues},
	})
	if err != nil {
		return c, err
	}
	for pattern := range strings.SplitSeq(k.groups, ",") {
		if pattern = strings.TrimSpace(pattern); pattern == "" {
			continue
		}
		re, err := collector.CompileLuaPattern(pattern)
		if err != nil {
			return c, fmt.Errorf("--check-key-groups: %w", err)
		}
		c.Groups = append(c.Groups, re)
	}
	return c, nil
}

// parameters sets the lists of keys from flags, or from the parameters of a
// probe, which have the same names.
func (k *keyFlags) parameters(c *collector.KeysConfig, q url.Values) error {
	for name, keys := range map[string]*[]collector.Key{
		"check-keys": &c.Patterns, "check-single-keys": &c.Single, "count-keys": &c.Counts,
		"check-streams": &c.StreamPatterns, "check-single-streams": &c.Streams, "check-queues": &c.Queues,
	} {
		var err error
		if *keys, err = parseKeys(q.Get(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// parseKeys parses a list like "db0=user:*,db3=queue". Names are escaped as in
// a URL, so that they can hold a comma.
func parseKeys(s string) ([]collector.Key, error) {
	var keys []collector.Key
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		db, name, ok := strings.Cut(part, "=")
		if !ok {
			db, name = "0", part
		}
		n, err := strconv.Atoi(strings.TrimPrefix(strings.Trim(db, `"`), "db"))
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q: the database is not a number, as in db0=key", part)
		}
		name, err = url.QueryUnescape(strings.Trim(name, `"`))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", part, err)
		}
		if name == "" {
			return nil, fmt.Errorf("%q: there is no key", part)
		}
		keys = append(keys, collector.Key{DB: n, Name: name})
	}
	return keys, nil
}

// readScripts reads Lua scripts.
func readScripts(files string) ([]collector.Script, error) {
	var scripts []collector.Script
	for file := range strings.SplitSeq(files, ",") {
		if file = strings.TrimSpace(file); file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--script: %w", err)
		}
		scripts = append(scripts, collector.Script{Name: filepath.Base(file), Text: string(text)})
	}
	return scripts, nil
}
