package web

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestPostgres holds the tables to what PostgreSQL says itself, and to those of
// an SQLite file with the same reports.
func TestPostgres(t *testing.T) {
	server := realtest.Postgres(t)
	config, err := pgxpool.ParseConfig(server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, postgres.Database{Config: config}, store.RecordsAll, inputs()...)
	holdTables(t, w)
	other := newWorld(t, sqliteFile(t), store.RecordsAll, inputs()...)
	for _, path := range []string{"/", "/sources", "/refused", "/tls", "/failures", "/domain?name=shop.example", "/source?address=192.0.2.2", "/reports"} {
		name, query, _ := strings.Cut(strings.TrimPrefix(path, "/"), "?")
		if name == "" {
			name = "overview"
		}
		for _, r := range routes() {
			if r.name != name {
				continue
			}
			for _, table := range r.tables {
				at := "/" + name + ".csv?" + query + "&table=" + table
				if diff := cmp.Diff(other.read(t, at), w.read(t, at)); diff != "" {
					t.Errorf("%s (-SQLite +PostgreSQL):\n%s", at, diff)
				}
			}
		}
		w.read(t, path)
	}
}
