package redis

import (
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// memoryMetrics are about what MEMORY STATS has beyond INFO.
type memoryMetrics struct {
	bytesPerKey, datasetRatio, peakRatio, overhead *collect.Family
}

func newMemoryMetrics(t *collect.Families) memoryMetrics {
	return memoryMetrics{
		bytesPerKey:  t.Gauge("memory_per_key_bytes", "Memory used above that at start, divided by the number of keys."),
		datasetRatio: t.Gauge("memory_dataset_ratio", "Share of the data in the memory used above that at start."),
		peakRatio:    t.Gauge("memory_peak_ratio", "Memory used now to the most ever used."),
		overhead:     t.Gauge("db_overhead_bytes", "Memory of the hash tables of a database.", "db", "table"),
	}
}

// write writes what MEMORY STATS has beyond INFO.
func (m *memoryMetrics) write(s *scrape, replies []reply) error {
	ratios := map[string]struct {
		family *collect.Family
		scale  float64
	}{
		"keys.bytes-per-key": {m.bytesPerKey, 1},
		"dataset.percentage": {m.datasetRatio, 0.01},
		"peak.percentage":    {m.peakRatio, 0.01},
	}
	databases := 0
	for name, value := range fields(replies[0].value) {
		if r, ok := ratios[name]; ok {
			if v, ok := toNumber(value); ok {
				s.Add(r.family, v*r.scale)
			}
		}
		if isNumbered(name, "db.") && databases < maxDatabases {
			databases++
			m.database(s, "db"+strings.TrimPrefix(name, "db."), value)
		}
	}
	return nil
}

// database writes the part of MEMORY STATS that is about one database.
func (m *memoryMetrics) database(s *scrape, db string, value any) {
	for name, bytes := range fields(value) {
		if table, ok := strings.CutPrefix(name, "overhead.hashtable."); ok {
			if v, ok := toNumber(bytes); ok && (table == "main" || table == "expires") {
				s.Add(m.overhead, v, db, table)
			}
		}
	}
}
