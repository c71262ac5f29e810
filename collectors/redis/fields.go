package redis

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// gaugeFields are the lines of INFO whose values go up and down. A few of them
// only grow and end in _total; they are gauges in the established exporter.
var gaugeFields = [][]field{
	serverFields, clientFields, memoryFields, allocatorFields, persistenceFields,
	statFields, replicationFields, clusterFields, sentinelFields, keyDBFields, valkeyFields,
}

// counterFields are the lines of INFO that only grow until the server restarts
// or CONFIG RESETSTAT.
var counterFields = [][]field{trafficFields, eventLoopFields, keyFields, cpuFields, denialFields}

// systemFields are about the host of the server, see Config.SystemMetrics.
var systemFields = []field{
	{key: "total_system_memory", name: "total_system_memory_bytes", help: "Memory of the host."},
}

// fieldMetrics are the lines of INFO that are a metric each, by their key.
type fieldMetrics map[string]fieldMetric

type fieldMetric struct {
	*collect.Family
	scale float64 // never 0
}

func newFieldMetrics(t *collect.Families, c *Config) fieldMetrics {
	m := fieldMetrics{}
	for _, set := range gaugeFields {
		m.add(t, prometheus.GaugeValue, set)
	}
	for _, set := range counterFields {
		m.add(t, prometheus.CounterValue, set)
	}
	if c.SystemMetrics {
		m.add(t, prometheus.GaugeValue, systemFields)
	}
	// QUIRK(max-clients): Dragonfly has an underscore in it.
	m["max_clients"] = m["maxclients"]
	return m
}

func (m fieldMetrics) add(t *collect.Families, kind prometheus.ValueType, set []field) {
	for _, row := range set {
		one := fieldMetric{t.Add(kind, row.name, row.help), row.scale}
		if one.scale == 0 {
			one.scale = 1
		}
		m[row.key] = one
	}
}

// write writes the lines of INFO.
func (m fieldMetrics) write(s *scrape) {
	m.writeOf(s, s.info)
}

// writeOf writes the lines of some INFO, each metric once.
func (m fieldMetrics) writeOf(s *scrape, in info) {
	seen := map[*collect.Family]bool{}
	for _, line := range in {
		f, ok := m[line.key]
		if !ok || seen[f.Family] {
			continue
		}
		if v, ok := number(line.value); ok {
			seen[f.Family] = true
			s.Add(f.Family, v*f.scale)
		}
	}
}
