package queryfile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

func all(string) bool { return true }

func TestCoreQueriesNameThePack(t *testing.T) {
	var names, listed []string
	for _, q := range queryfile.Core(queryfile.CoreConfig{Enabled: all}) {
		names = append(names, q.Name)
	}
	defaults := 0
	for _, q := range queryfile.CoreQueries() {
		if q.Name != "settings" { // settings_all takes its place
			listed = append(listed, q.Name)
		}
		if q.Default {
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
	if queries["settings"] == nil || queries["settings_all"] != nil || len(queries) > 12 {
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
