package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// tablesOf returns a collector of the query stat_user_tables.
func tablesOf(t *testing.T, server *realtest.PostgresServer, database string, limit int) *postgres.Collector {
	t.Helper()
	queries := queryfile.Core(queryfile.CoreConfig{Enabled: func(name string) bool { return name == "stat_user_tables" }, Tables: limit})
	sessions := open(t, server.DSN(database), postgres.SessionsConfig{LockTimeout: 100 * time.Millisecond})
	return postgres.New(sessions, queries, postgres.Config{})
}

// tables returns the values of a metric by table.
func tables(got map[string]float64, metric string) map[string]float64 {
	out := map[string]float64{}
	for series, value := range only(got, metric+"{") {
		_, name, _ := strings.Cut(series, `relname="`)
		name, _, _ = strings.Cut(name, `"`)
		out[name] = value
	}
	return out
}

// testTableLocks holds that a locked table, index or TOAST table costs the size of
// its table and nothing else.
func testTableLocks(t *testing.T, server *realtest.PostgresServer) {
	server.CreateDatabase(t, "locks", `CREATE TABLE free (n int PRIMARY KEY, text text); CREATE TABLE busy (n int PRIMARY KEY, text text);
		INSERT INTO free SELECT generate_series(1, 1000); INSERT INTO busy SELECT generate_series(1, 1000)`)
	toast := server.SQL(t, "locks", "SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'busy'")[0][0]
	c := tablesOf(t, server, "locks", 0)
	for name, lock := range map[string]string{
		"table": "LOCK TABLE busy", "index": "REINDEX INDEX busy_pkey", "alter": "ALTER TABLE busy ADD m int",
		"toast": "REINDEX TABLE " + toast, "waiting": "",
	} {
		t.Run(name, func(t *testing.T) {
			holder := connect(t, server.DSN("locks"))
			if name != "waiting" {
				exec(t, holder, "BEGIN; "+lock)
			} else {
				// Somebody reads, somebody else waits to lock, and so would we.
				exec(t, holder, "BEGIN; SELECT 1 FROM busy")
				waiter := connect(t, server.DSN("locks"))
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = waiter.Exec(context.Background(), "BEGIN; LOCK TABLE busy; ROLLBACK").ReadAll()
				}()
				t.Cleanup(func() { <-done })
				eventually(t, 10*time.Second, func() string {
					if n := server.SQL(t, "locks", "SELECT 1 FROM pg_locks WHERE NOT granted"); len(n) == 0 {
						return "nobody waits"
					}
					return ""
				})
			}
			got := gather(t, c, realtest.Patience)
			if stats := tables(got, "pg_stat_user_tables_n_live_tup"); len(stats) != 2 {
				t.Errorf("statistics of %v", stats)
			}
			sizes := tables(got, "pg_stat_user_tables_table_size_bytes")
			if _, ok := sizes["busy"]; ok || sizes["free"] == 0 {
				t.Errorf("sizes %v", sizes)
			}
			if got[`pg_scrape_collector_success{collector="stat_user_tables"}`] != 1 {
				t.Errorf("failed: %v", only(got, "pg_scrape_collector"))
			}
			exec(t, holder, "ROLLBACK")
		})
	}
	if sizes := tables(gather(t, c, realtest.Patience), "pg_stat_user_tables_table_size_bytes"); len(sizes) != 2 {
		t.Errorf("sizes at the end: %v", sizes)
	}
}

// testManyTables holds that the largest tables are shown, and how many are not.
func testManyTables(t *testing.T, server *realtest.PostgresServer) {
	server.CreateDatabase(t, "many", `DO $$ BEGIN FOR i IN 1..30 LOOP EXECUTE 'CREATE TABLE a' || i || ' (n int)'; END LOOP; END $$;
		CREATE TABLE z_large AS SELECT generate_series(1, 5000) AS n; CREATE TABLE z_larger AS SELECT generate_series(1, 9000) AS n; ANALYZE`)
	for limit, leftOut := range map[int]float64{2: 30, 32: 0, 0: 0} {
		got := gather(t, tablesOf(t, server, "many", limit), 10*time.Second)
		shown := tables(got, "pg_stat_user_tables_seq_scan")
		if len(shown) != 32-int(leftOut) {
			t.Errorf("with %d: %d tables", limit, len(shown))
		}
		for _, name := range []string{"z_large", "z_larger"} {
			if _, ok := shown[name]; !ok {
				t.Errorf("with %d: %s is not shown", limit, name)
			}
		}
		if n, ok := got[`pg_stat_user_tables_left_out{datname="many"}`]; !ok || n != leftOut {
			t.Errorf("with %d: %v tables are left out, want %v", limit, n, leftOut)
		}
		if errors := only(got, "pg_scrape_collector_errors_total"); len(errors) > 0 {
			t.Errorf("with %d: %v", limit, errors)
		}
	}
}

// connect returns a connection that ends with the test.
func connect(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgconn.PgConn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// testManyRoles holds that what grows with the server is shown to its end: a query
// of the pack reads more rows than one of a file does by default.
func testManyRoles(t *testing.T, server *realtest.PostgresServer) {
	const n = 1100
	server.SQL(t, "postgres", fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP EXECUTE 'CREATE ROLE many_' || i || ' CONNECTION LIMIT 7'; END LOOP; END $$", n))
	defer server.SQL(t, "postgres", fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP EXECUTE 'DROP ROLE many_' || i; END LOOP; END $$", n))
	queries := queryfile.Core(queryfile.CoreConfig{Enabled: func(name string) bool { return name == "roles" }})
	got := gather(t, postgres.New(open(t, server.DSN("postgres"), postgres.SessionsConfig{}), queries, postgres.Config{}), realtest.Patience)
	if roles := only(got, `pg_roles_connection_limit{rolname="many_`); len(roles) != n {
		t.Errorf("%d roles are shown, want %d", len(roles), n)
	}
	if errors := only(got, "pg_scrape_collector_errors_total"); len(errors) > 0 {
		t.Errorf("got %v", errors)
	}
}
