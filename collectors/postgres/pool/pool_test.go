package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/pool"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestPool holds that a collector sees the same over a pool as over sessions of
// its own, that nothing can be written, and that each failure has its reason.
func TestPool(t *testing.T) {
	server := realtest.Postgres(t)
	connections, err := pgxpool.New(t.Context(), server.DSN("postgres")+"&DateStyle=German&pool_max_conns=2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connections.Close)
	over := pool.New(connections)
	sessions := postgres.Open(func(context.Context) (*pgconn.Config, error) { return pgconn.ParseConfig(server.DSN("postgres")) }, postgres.SessionsConfig{})
	t.Cleanup(sessions.Close)
	if diff := cmp.Diff(names(t, sessions), names(t, over)); diff != "" {
		t.Errorf("families over sessions and over a pool (-sessions +pool):\n%s", diff)
	}

	const several = "SELECT n, DATE '2026-11-30', $1::text FROM generate_series(1, 5) AS n"
	var rows [][]string
	result, err := over.Query(t.Context(), postgres.Statement{SQL: several, Args: []string{"it's"}, MaxRows: 2}, func(fields []postgres.Field, values [][]byte) {
		var row []string
		for i := range fields {
			row = append(row, string(values[i]))
		}
		rows = append(rows, row)
	})
	if want := [][]string{{"1", "2026-11-30", "it's"}, {"2", "2026-11-30", "it's"}}; err != nil || !result.Truncated || result.Rows != 2 || !cmp.Equal(rows, want) {
		t.Errorf("rows %q, %+v, %v; want %q and that there are more", rows, result, err, want)
	}

	server.SQL(t, "postgres", "CREATE TABLE t (n int)")
	for sql, want := range map[string]postgres.Reason{
		"INSERT INTO t VALUES (1) RETURNING n": postgres.ReasonReadOnly,
		"SELECT n FROM nowhere":                postgres.ReasonUndefined,
		"COMMIT":                               postgres.ReasonSyntax,
		"SELECT 1; SELECT 2":                   postgres.ReasonSyntax,
	} {
		if _, err := over.Query(t.Context(), postgres.Statement{SQL: sql}, func([]postgres.Field, [][]byte) {}); postgres.ReasonOf(err) != want {
			t.Errorf("%s: %v, want the reason %s", sql, err, want)
		}
	}
	if got := server.SQL(t, "postgres", "SELECT count(*) FROM t")[0][0]; got != "0" {
		t.Errorf("%s rows were written", got)
	}
	if _, err := over.Server(t.Context(), "elsewhere"); postgres.ReasonOf(err) != postgres.ReasonConfig {
		t.Errorf("another database: %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := over.Query(ctx, postgres.Statement{SQL: "SELECT pg_sleep(60)"}, func([]postgres.Field, [][]byte) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a statement that takes longer than its context: %v", err)
	}
	if who, err := over.Server(t.Context(), ""); err != nil || who.Address != server.Addr() || who.Database != "postgres" {
		t.Errorf("the server afterwards is %+v, %v", who, err)
	}
}

// names are the families that the core pack shows.
func names(t *testing.T, db postgres.Querier) (out []string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(postgres.New(db, queryfile.Core(queryfile.CoreConfig{}), postgres.Config{})); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		out = append(out, f.GetName())
	}
	if !slices.Contains(out, "pg_up") || !slices.Contains(out, "pg_stat_database_xact_commit") {
		t.Fatalf("only %q", out)
	}
	return out
}

// A program that has a pool gives it to the collector.
func Example() {
	connections, err := pgxpool.New(context.Background(), "host=127.0.0.1 port=1 user=monitor dbname=shop sslmode=disable")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer connections.Close()
	collector := postgres.New(pool.New(connections), queryfile.Core(queryfile.CoreConfig{}), postgres.Config{})
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range families {
		if f.GetName() == "pg_up" {
			fmt.Println(f.GetName(), f.Metric[0].Gauge.GetValue())
		}
	}
	// Output: pg_up 0
}
