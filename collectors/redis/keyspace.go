package redis

import "strconv"

// keyspaceFamilies are about databases.
type keyspaceFamilies struct {
	databaseKeys, databaseExpiring, databaseTTL, databaseCached *family
}

func newKeyspaceFamilies(t *table) keyspaceFamilies {
	return keyspaceFamilies{
		databaseKeys:     t.gauge("db_keys", "Keys of a database.", "db"),
		databaseExpiring: t.gauge("db_keys_expiring", "Keys of a database that have a time to live.", "db"),
		databaseTTL:      t.gauge("db_avg_ttl_seconds", "Average time to live of the keys of a database.", "db"),
		databaseCached:   t.gauge("db_keys_cached", "Keys of a database in memory (KeyDB with flash storage).", "db"),
	}
}

// keyspace writes lines like db0:keys=4,expires=1,avg_ttl=23700. INFO leaves out
// empty databases; there are as many as the configuration says.
func (w *writer) keyspace(databases int) {
	seen := map[string]bool{}
	for _, line := range w.info {
		if line.section == "keyspace" && isNumbered(line.key, "db") && len(seen) < maxDatabases && !seen[line.key] {
			seen[line.key] = true
			w.database(line.key, line.value)
		}
	}
	if w.config.SkipEmptyDatabases {
		return
	}
	for i := range min(databases, maxDatabases) {
		if db := "db" + strconv.Itoa(i); !seen[db] {
			w.add(w.databaseKeys, 0, db)
			w.add(w.databaseExpiring, 0, db)
		}
	}
}

func (w *writer) database(db, value string) {
	for k, v := range pairs(value) {
		n, ok := number(v)
		switch {
		case !ok:
		case k == "keys":
			w.add(w.databaseKeys, n, db)
		case k == "expires":
			w.add(w.databaseExpiring, n, db)
		case k == "cached_keys":
			w.add(w.databaseCached, n, db)
		case k == "avg_ttl" && n >= 0:
			w.add(w.databaseTTL, n/1e3, db)
		}
	}
}
