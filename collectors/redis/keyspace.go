package redis

import (
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// keyspaceMetrics are about databases.
type keyspaceMetrics struct {
	databaseKeys, databaseExpiring, databaseTTL *collect.Family
	databaseCached, databaseItems               *collect.Family
}

func newKeyspaceMetrics(t *collect.Families) keyspaceMetrics {
	return keyspaceMetrics{
		databaseKeys:     t.Gauge("db_keys", "Keys of a database.", "db"),
		databaseExpiring: t.Gauge("db_keys_expiring", "Keys of a database that have a time to live.", "db"),
		databaseTTL:      t.Gauge("db_avg_ttl_seconds", "Average time to live of the keys of a database.", "db"),
		databaseCached:   t.Gauge("db_keys_cached", "Keys of a database in memory, which with flash storage are not all of them.", "db"),
		databaseItems:    t.Gauge("db_keys_with_expiring_items", "Keys of a database with fields that have a time to live of their own.", "db"),
	}
}

// write writes lines like db0:keys=4,expires=1,avg_ttl=23700. INFO leaves out
// empty databases; there are as many as in the configuration.
func (m *keyspaceMetrics) write(s *scrape, databases int) {
	seen := map[string]bool{}
	for _, line := range s.info {
		if line.section == "keyspace" && isNumbered(line.key, "db") && len(seen) < maxDatabases && !seen[line.key] {
			seen[line.key] = true
			m.database(s, line.key, line.value)
		}
	}
	if s.config.SkipEmptyDatabases {
		return
	}
	for i := range min(databases, maxDatabases) {
		if db := "db" + strconv.Itoa(i); !seen[db] {
			s.Add(m.databaseKeys, 0, db)
			s.Add(m.databaseExpiring, 0, db)
		}
	}
}

func (m *keyspaceMetrics) database(s *scrape, db, value string) {
	keys := 0.0
	for k, v := range pairs(value) {
		n, ok := number(v)
		switch {
		case !ok:
		case k == "keys":
			keys = n
			s.Add(m.databaseKeys, n, db)
		case k == "expires":
			s.Add(m.databaseExpiring, n, db)
		case k == "cached_keys":
			s.Add(m.databaseCached, n, db)
		case k == "subexpiry" || k == "keys_with_volatile_items": // Redis from 7.4 on, and Valkey from 9 on.
			s.Add(m.databaseItems, n, db)
			// The established exporter took this for cached_keys for a while, so
			// there are queries for it; without flash storage all keys are in memory.
			s.Add(m.databaseCached, keys, db)
		case k == "avg_ttl" && n >= 0:
			s.Add(m.databaseTTL, n/1e3, db)
		}
	}
}
