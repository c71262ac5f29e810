package queryfile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

func all(string) bool { return true }

// parts are the collectors of postgres_exporter whose metrics a statement with
// those of another one reads.
var parts = map[string]bool{
	"postmaster": true, "replication": true, "stat_wal_receiver": true, "long_running_transactions": true, "database_wraparound": true,
	"stat_progress_vacuum": true, "stat_checkpointer": true, "stat_archiver": true, "stat_wal": true, "stat_replication": true, "statio_user_tables": true,
}

// TestCoreParts turns each part on and off alone.
func TestCoreParts(t *testing.T) {
	metrics := func(enabled func(string) bool) (out []string) {
		for _, q := range queryfile.Core(queryfile.CoreConfig{Enabled: enabled}) {
			for i := range q.Columns {
				if c := &q.Columns[i]; c.IsValue() {
					out = append(out, q.MetricName(c))
				}
			}
		}
		return out
	}
	everything := metrics(all)
	for part := range parts {
		on := metrics(func(name string) bool { return name == part })
		off := metrics(func(name string) bool { return name != part })
		if len(on) == 0 || len(on)+len(off) != len(everything) {
			t.Errorf("%s: %d metrics are on, %d off, of %d", part, len(on), len(off), len(everything))
		}
		for _, name := range on {
			if !strings.HasPrefix(name, "pg_"+part) {
				t.Errorf("%s is a part of %s", name, part)
			}
		}
	}
}

func TestCoreQueriesNameThePack(t *testing.T) {
	var names, listed []string
	for _, q := range queryfile.Core(queryfile.CoreConfig{Enabled: all}) {
		names = append(names, q.Name)
	}
	defaults := 0
	for _, q := range queryfile.CoreQueries() {
		if q.Name != "settings" && !parts[q.Name] { // settings_all takes its place
			listed = append(listed, q.Name)
		}
		if q.Default && !parts[q.Name] && !strings.HasPrefix(q.Name, "pgbouncer.") {
			defaults++
		}
	}
	if !slices.Equal(names, listed) {
		t.Errorf("the file has %v, the table %v", names, listed)
	}
	if defaults > 12 {
		t.Errorf("%d statements a scrape", defaults)
	}
}

func TestCoreConfig(t *testing.T) {
	queries := map[string]*queryfile.Query{}
	for _, q := range queryfile.Core(queryfile.CoreConfig{Statements: 7, Databases: []string{"a"}}) {
		queries[q.Name] = q
	}
	if queries["settings"] == nil || queries["settings_all"] != nil || len(queries) > 12+5 {
		t.Errorf("%d queries run by default", len(queries))
	}
	q := queries["stat_statements"]
	for _, sql := range []string{q.SQL, q.Alternatives[0].SQL, q.Alternatives[1].SQL} {
		if !strings.Contains(sql, "LIMIT 7\n") {
			t.Errorf("no limit in %s", sql)
		}
	}
	if got := queries["stat_user_tables"].Databases; !slices.Equal(got, []string{"a"}) {
		t.Errorf("tables of %q", got)
	}
}

func TestCoreIsNotShared(t *testing.T) {
	a, b := queryfile.Core(queryfile.CoreConfig{Enabled: all}), queryfile.Core(queryfile.CoreConfig{Enabled: all, Databases: []string{"*"}})
	a[0].SQL = "changed"
	if b[0].SQL == "changed" {
		t.Error("two calls share queries")
	}
}
