package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// testPooler runs all query cases through a transaction pooler, whose sessions
// are handed from client to client.
func testPooler(t *testing.T, server *realtest.PostgresServer) {
	for name, settings := range map[string][]string{
		"refuses settings": nil,
		"drops settings":   {"ignore_startup_parameters = default_transaction_read_only,statement_timeout,lock_timeout,extra_float_digits,IntervalStyle"},
	} {
		t.Run(name, func(t *testing.T) {
			address := realtest.PgBouncer(t, server, "transaction", settings...)
			runCases(t, server, server.DSNVia(address, writableDatabase(t, server)), postgres.SessionsConfig{}, true)
		})
	}
}

// testSimple runs all query cases over the simple protocol.
func testSimple(t *testing.T, server *realtest.PostgresServer) {
	runCases(t, server, server.DSN(writableDatabase(t, server)), postgres.SessionsConfig{Simple: true}, true)
	t.Run("pooler", func(t *testing.T) {
		address := realtest.PgBouncer(t, server, "transaction")
		runCases(t, server, server.DSNVia(address, writableDatabase(t, server)), postgres.SessionsConfig{Simple: true}, true)
	})
}

func runCases(t *testing.T, server *realtest.PostgresServer, dsn string, config postgres.SessionsConfig, direct bool) {
	t.Helper()
	sessions := open(t, dsn, config)
	for _, tt := range queryCases {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, sessions, direct) })
	}
	if got := server.SQL(t, "written", "SELECT n FROM written"); !cmp.Equal(got, [][]string{{"41"}}) {
		t.Errorf("the table was written to: %v", got)
	}
}

// writableDatabase returns the name of a database that can be written to.
func writableDatabase(t *testing.T, server *realtest.PostgresServer) string {
	t.Helper()
	if len(server.SQL(t, "postgres", "SELECT 1 FROM pg_database WHERE datname = 'written'")) == 0 {
		server.CreateDatabase(t, "written", `CREATE TABLE written (n int); INSERT INTO written VALUES (41);
			CREATE FUNCTION write() RETURNS int LANGUAGE sql AS 'INSERT INTO written VALUES (1) RETURNING n'`)
	}
	return "written"
}
