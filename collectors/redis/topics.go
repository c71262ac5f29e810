package redis

import "github.com/dmarc-suite/dmarc-suite/internal/collect"

// topics are the metrics of a collection, by what they are read from.
type topics struct {
	fields      fieldMetrics
	instance    instanceMetrics
	commands    commandMetrics
	keyspace    keyspaceMetrics
	replication replicationMetrics

	settings settingMetrics
	slowlog  slowlogMetrics
	latency  latencyMetrics
	memory   memoryMetrics
	acl      aclMetrics
	clients  clientMetrics
	cluster  clusterMetrics
	sentinel sentinelMetrics

	valkey  valkeyMetrics
	modules moduleMetrics
	slots   slotMetrics
}

func newTopics(t *collect.Families, c *Config) *topics {
	return &topics{
		fields:      newFieldMetrics(t, c),
		instance:    newInstanceMetrics(t),
		commands:    newCommandMetrics(t),
		keyspace:    newKeyspaceMetrics(t),
		replication: newReplicationMetrics(t),

		settings: newSettingMetrics(t),
		slowlog:  newSlowlogMetrics(t),
		latency:  newLatencyMetrics(t),
		memory:   newMemoryMetrics(t),
		acl:      newACLMetrics(t),
		clients:  newClientMetrics(t, c),
		cluster:  newClusterMetrics(t),
		sentinel: newSentinelMetrics(t),

		valkey:  newValkeyMetrics(t),
		modules: newModuleMetrics(t),
		slots:   newSlotMetrics(t),
	}
}

// parts returns what is asked for beside INFO, in the order of the commands.
func (t *topics) parts() []*part {
	return []*part{
		{"config", hasConfig, configCommands, t.settings.write},
		{"slowlog", isData, fixed("SLOWLOG LEN", "SLOWLOG GET 1"), t.slowlog.write},
		{"latency", hasLatency, fixed("LATENCY LATEST"), t.latency.latest},
		{"latency_histogram", hasHistogram, fixed("LATENCY HISTOGRAM"), t.latency.histograms},
		{"memory", hasMemory, fixed("MEMORY STATS"), t.memory.write},
		{"acl", hasACL, fixed("ACL USERS"), t.acl.write},
		{"clients", hasClients, fixed("CLIENT LIST"), t.clients.write},
		{"cluster", isCluster, fixed("CLUSTER INFO", "CLUSTER NODES"), t.cluster.write},
		{"sentinel", isSentinel, sentinelCommands, t.sentinel.write},
		{"commandlog", hasCommandLog, logCommands, t.valkey.logs},
		{"modules", hasModules, fixed("INFO MODULES"), t.modules.write},
		{"slots", hasSlotStats, fixed("CLUSTER SLOT-STATS SLOTSRANGE 0 16383"), t.slots.write},
	}
}

// write writes everything about a server that answered. success is the metric for
// which parts of it did.
func (t *topics) write(s *scrape, snap *snapshot, success *collect.Family) {
	s.info, s.facts = snap.info, snap.facts
	s.readCommands()
	t.fields.write(s)
	t.instance.write(s)
	t.commands.write(s)
	t.replication.write(s)
	t.valkey.write(s)
	databases := 0
	for _, a := range snap.answers {
		err := a.err
		if err == nil {
			err = a.part.write(s, a.replies)
		}
		s.Flag(success, err == nil, a.part.name)
		if a.part.name == "config" && err == nil {
			databases = configDatabases(a.replies)
		}
	}
	t.clients.writeUnasked(s)
	t.keyspace.write(s, databases)
}
