package redis

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// families are all the metrics of a collector. They are built once; each topic
// keeps the table of its own beside the code that writes them.
type families struct {
	fields map[string]*family // without labels, by key of INFO
	all    []*family

	serverFamilies
	configFamilies
	commandFamilies
	keyspaceFamilies
	replicationFamilies
	clientFamilies
	clusterFamilies
	sentinelFamilies
	backgroundFamilies
	keyFamilies
	streamFamilies
	scriptFamilies
}

// newFamilies builds the families under a namespace.
func newFamilies(c *Config) *families {
	t := &table{namespace: c.Namespace}
	f := &families{fields: map[string]*family{}}
	for _, set := range gaugeFields {
		t.addFields(f.fields, prometheus.GaugeValue, set)
	}
	for _, set := range counterFields {
		t.addFields(f.fields, prometheus.CounterValue, set)
	}
	if c.SystemMetrics {
		t.addFields(f.fields, prometheus.GaugeValue, systemFields)
	}
	// QUIRK(max-clients): Dragonfly has an underscore in it.
	f.fields["max_clients"] = f.fields["maxclients"]
	f.serverFamilies = newServerFamilies(t)
	f.configFamilies = newConfigFamilies(t)
	f.commandFamilies = newCommandFamilies(t)
	f.keyspaceFamilies = newKeyspaceFamilies(t)
	f.replicationFamilies = newReplicationFamilies(t)
	f.clientFamilies = newClientFamilies(t, c)
	f.clusterFamilies = newClusterFamilies(t)
	f.sentinelFamilies = newSentinelFamilies(t)
	f.backgroundFamilies = newBackgroundFamilies(t)
	f.keyFamilies = newKeyFamilies(t)
	f.streamFamilies = newStreamFamilies(t)
	f.scriptFamilies = newScriptFamilies(t)
	f.all = t.built
	return f
}

// table builds families, one a row.
type table struct {
	namespace string
	built     []*family
}

func (t *table) gauge(name, help string, labels ...string) *family {
	return t.row(prometheus.GaugeValue, name, help, labels)
}

func (t *table) counter(name, help string, labels ...string) *family {
	return t.row(prometheus.CounterValue, name, help, labels)
}

func (t *table) row(kind prometheus.ValueType, name, help string, labels []string) *family {
	if !slices.IsSorted(labels) {
		panic("redis: labels of " + name + " are not in order") // A mistake in a table.
	}
	desc := prometheus.NewDesc(prometheus.BuildFQName(t.namespace, "", name), help, labels, nil)
	f := &family{desc: desc, kind: kind, scale: 1, labels: labels}
	t.built = append(t.built, f)
	return f
}

func (t *table) addFields(to map[string]*family, kind prometheus.ValueType, set []field) {
	for _, row := range set {
		f := t.row(kind, row.name, row.help, nil)
		if row.scale != 0 {
			f.scale = row.scale
		}
		to[row.key] = f
	}
}
