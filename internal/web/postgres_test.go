package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

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
	t.Run("access", func(t *testing.T) {
		testAccess(t, postgres.Database{Config: config, Schema: "everything"}, postgres.Database{Config: config, Schema: "own"}, 1)
	})
	t.Run("hostile queries", func(t *testing.T) {
		testHostileQueries(t, postgres.Database{Config: config, Schema: "hostile"})
	})
	t.Run("away", func(t *testing.T) { testAway(t, server) })
}

// testAway answers in words and in time when the database does not.
func testAway(t *testing.T, server *realtest.PostgresServer) {
	proxy := realtest.NewFaultProxy(t, "tcp", server.Addr())
	config, err := pgxpool.ParseConfig(server.DSNVia(proxy.Addr(), "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	w.use(Config{Engine: postgres.Database{Config: config}, Deadline: 300 * time.Millisecond, Now: func() time.Time { return testNow }})
	for mode, want := range map[realtest.Mode]string{realtest.Refuse: "The database cannot be read", realtest.Reset: "The database cannot be read", realtest.Hang: "did not answer within"} {
		proxy.SetMode(t, mode)
		if got := w.get(t, "/sources"); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), want) {
			t.Errorf("mode %v: %d, want 503 with %q\n%s", mode, got.Code, want, got.Body)
		} else if strings.Contains(got.Body.String(), realtest.PostgresPassword) {
			t.Errorf("mode %v: the page has the password\n%s", mode, got.Body)
		}
	}
	proxy.SetMode(t, realtest.Pass)
	w.use(Config{Engine: postgres.Database{Config: config}, Now: func() time.Time { return testNow }})
	w.read(t, "/sources")
}
