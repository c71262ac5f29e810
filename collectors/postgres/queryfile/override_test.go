package queryfile_test

import (
	"slices"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

func TestOverride(t *testing.T) {
	files, err := queryfile.Parse("test.yaml", []byte(`
locks: {query: SELECT 1 AS n, metrics: [{n: {usage: GAUGE}}]}
mine: {query: SELECT 1 AS n, metrics: [{n: {usage: GAUGE, name: pg_wal_segments}}]}
size: {query: "SELECT 1 AS a, 2 AS b", metrics: [{a: {usage: GAUGE, name: pg_roles_connection_limit}}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	custom := files.Queries
	left, dropped := queryfile.Override(queryfile.Core(queryfile.CoreConfig{Enabled: all}), custom)
	slices.Sort(dropped)
	if want := []string{"locks", "pg_roles_connection_limit", "pg_wal_segments"}; !slices.Equal(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
	if err := queryfile.CheckNames(append(left, custom...)); err != nil {
		t.Errorf("names still clash: %v", err)
	}
	for _, q := range left {
		if q.Name == "roles" {
			t.Error("a query without a value is left")
		}
	}
	if again, _ := queryfile.Override(queryfile.Core(queryfile.CoreConfig{Enabled: all}), nil); len(again) != len(queryfile.CoreQueries())-len(parts)-1 {
		t.Errorf("without custom queries %d are left", len(again))
	}
}
