package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// consoleFile has queries for a console, one for databases, and commands that a
// console would obey.
const consoleFile = `
pgbouncer_pools:
  query: SHOW POOLS
  metrics: [{database: {usage: LABEL}}, {user: {usage: LABEL}}, {cl_active: {usage: GAUGE, description: Clients.}}, {maxwait: {usage: GAUGE, description: Wait.}}]
pgbouncer_stats:
  query: show stats
  metrics: [{database: {usage: LABEL}}, {total_query_count: {usage: COUNTER, description: Queries.}}]
q: {query: SELECT 1 AS n, metrics: [{n: {usage: GAUGE}}]}
stop: {query: SHUTDOWN, metrics: [{n: {usage: GAUGE}}]}
two: {query: SHOW VERSION; SHUTDOWN, metrics: [{n: {usage: GAUGE}}]}
`

// testPoolerConsole reads the admin console of PgBouncer, whether or not it
// accepts our settings at the start.
func testPoolerConsole(t *testing.T, server *realtest.PostgresServer) {
	for name, more := range map[string][]string{
		"refuses settings": {"stats_users = postgres", "max_client_conn = 77"},
		"drops settings": {
			"admin_users = postgres", "max_client_conn = 77",
			"ignore_startup_parameters = default_transaction_read_only,statement_timeout,lock_timeout,extra_float_digits,IntervalStyle",
		},
	} {
		t.Run(name, func(t *testing.T) {
			address := realtest.PgBouncer(t, server, "transaction", more...)
			client, err := pgconn.Connect(t.Context(), server.DSNVia(address, "postgres"))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close(context.Background())
			if err := client.Exec(t.Context(), "SELECT pg_sleep(0.01)").Close(); err != nil {
				t.Fatal(err)
			}
			queries := append(queryfile.Core(queryfile.CoreConfig{Enabled: all}), parse(t, consoleFile)...)
			testConsole(t, server.DSNVia(address, "pgbouncer"), queries)
			role := open(t, server.DSNVia(address, "pgbouncer")+"&target_session_attrs=read-write", postgres.SessionsConfig{})
			if _, err := role.Server(t.Context(), ""); err != nil {
				t.Errorf("a console that is asked for its role: %v", err)
			}
			behind := gather(t, postgres.New(open(t, server.DSNVia(address, "postgres"), postgres.SessionsConfig{}), queries, postgres.Config{}), scrapeTime)
			if len(only(behind, "pgbouncer_")) > 0 || behind["q_n{server=\""+address+"\"}"] != 1 {
				t.Errorf("through the pooler: %v", only(behind, "pgbouncer_", "q_"))
			}
		})
	}
}

func testConsole(t *testing.T, dsn string, queries []*queryfile.Query) {
	t.Helper()
	var d dialer
	c := postgres.New(openSource(t, d.source(dsn), postgres.SessionsConfig{}), queries, postgres.Config{})
	for range 3 {
		families := gatherFamilies(t, c)
		for _, want := range readShapes(t, "testdata/pgbouncer_exporter.tsv") {
			if families[want.name] == nil {
				t.Errorf("%s is missing", want.name)
				continue
			}
			want.check(t, families[want.name])
		}
	}
	got := gather(t, c, 10*time.Second)
	const database = `{database="postgres",user="postgres"}`
	want := map[string]float64{
		"pg_up": 1, "pgbouncer_up": 1, "pgbouncer_config_max_client_connections": 77,
		"pgbouncer_pools_client_active_connections" + database: 1, "pgbouncer_stats_totals_sql_transactions_pooled_total{database=\"postgres\"}": 1,
		`pgbouncer_clients_connections{database="postgres",state="active",user="postgres"}`: 1,
		`pg_scrape_collector_errors_total{collector="two",reason="syntax"}`:                 4,
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s = %v, want %v", name, got[name], value)
		}
	}
	if took := got[`pgbouncer_stats_totals_queries_duration_seconds_total{database="postgres"}`]; took < 0.01 || took > 10 {
		t.Errorf("a query of 10 ms took %v s", took)
	}
	if custom := only(got, "pgbouncer_pools_cl_active{", "pgbouncer_pools_maxwait{", "pgbouncer_stats_total_query_count{"); len(custom) < 4 {
		t.Errorf("of the query file: %v", custom)
	}
	if others := only(got, "pg_stat", "pg_settings", "q_", `pg_scrape_collector_success{collector="stop"`); len(others) > 0 {
		t.Errorf("queries that are not for a console ran: %v", others)
	}
	if failed := only(got, "pg_scrape_collector_errors_total"); !cmp.Equal(len(failed), 1) {
		t.Errorf("errors: %v", failed)
	}
	if _, _, total := d.counts(); total > 2 { // one that found out, one that stays
		t.Errorf("%d sessions", total)
	}
}
