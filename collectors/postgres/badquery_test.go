package postgres_test

import (
	"testing"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// testBadQueries holds that queries the server refuses cost no session, be it in
// a batch or by themselves.
func testBadQueries(t *testing.T, server *realtest.PostgresServer) {
	for name, sql := range map[string]string{
		"table": "SELECT nope FROM missing_table", "column": "SELECT nope FROM pg_class", "syntax": "SELEC 1", "commands": "SELECT 1; SELECT 2",
		"unsupported": "SELECT 1 AS nope FROM elsewhere.public.t", "denied": "SELECT pg_terminate_backend('x')", "no columns": "SET work_mem = '1MB'",
		"division": "SELECT 1 / 0 AS nope", "writes": "DELETE FROM t RETURNING 1 AS nope",
	} {
		t.Run(name, func(t *testing.T) {
			var d dialer
			sessions := openSource(t, d.source(server.DSN("postgres")), postgres.SessionsConfig{})
			c := postgres.New(sessions, parse(t, healthy+"bad: {query: "+`"`+sql+`"`+", metrics: [{nope: {usage: GAUGE}}]}\n"), postgres.Config{})
			for range 10 {
				got := gather(t, c, realtest.Patience)
				if got["pg_up"] != 1 || got["q_n"] != 1 || got["r_n"] != 2 || got[`pg_scrape_collector_success{collector="bad"}`] != 0 {
					t.Errorf("got %v", only(got, "pg_up", "q_n", "r_n", "pg_scrape_collector"))
				}
			}
			// A slow machine may take a second one to go on with.
			if open, _, total := d.counts(); open != total {
				t.Errorf("%d sessions were opened, %d are left", total, open)
			}
		})
	}
}

// testRefusedAlone holds that a server which refuses the only query is up.
func testRefusedAlone(t *testing.T, server *realtest.PostgresServer) {
	sessions := openSource(t, new(dialer).source(server.DSN("postgres")), postgres.SessionsConfig{})
	c := postgres.New(sessions, parse(t, "bad: {query: SELECT $1::int AS n, metrics: [{n: {usage: GAUGE}}]}"), postgres.Config{})
	got := gather(t, c, realtest.Patience)
	if got["pg_up"] != 1 || got[`pg_scrape_collector_errors_total{collector="bad",reason="syntax"}`] != 1 {
		t.Errorf("got %v", only(got, "pg_up", "pg_scrape_collector"))
	}
}

// TestLostServer holds that pg_up is not 1 when the server goes between the sign
// of life and the queries.
func TestLostServer(t *testing.T) {
	lost := result{err: errReset}
	f := &fake{server: version15}
	f.set("a", lost)
	f.set("b", lost)
	c := postgres.New(f, parse(t, "a: {query: a, metrics: [{n: {usage: GAUGE}}]}\nb: {query: b, metrics: [{n: {usage: GAUGE}}]}"), postgres.Config{})
	got := gather(t, c, scrapeTime)
	if got["pg_up"] != 0 || got[`pg_exporter_scrape_errors_total{reason="reset"}`] != 1 {
		t.Errorf("without the server: %v", only(got, "pg_up", "pg_exporter_scrape_errors"))
	}
	f.set("b", result{err: errSyntax})
	if got := gather(t, c, scrapeTime); got["pg_up"] != 1 {
		t.Error("pg_up is 0 though the server answered a query")
	}
}
