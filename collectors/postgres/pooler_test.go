package postgres_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

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
			dsn := server.DSNVia(address, writableDatabase(t, server))
			runCases(t, server, dsn, postgres.SessionsConfig{}, true)
			testRested(t, dsn)
		})
	}
}

// testPoolerWithoutServer holds that pg_up is that of the server: a pooler answers
// for itself when its server is gone.
func testPoolerWithoutServer(t *testing.T, server *realtest.PostgresServer) {
	proxy := realtest.NewFaultProxy(t, "tcp", server.Addr())
	_, port, err := net.SplitHostPort(proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	behind := *server
	if behind.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	address := realtest.PgBouncer(t, &behind, "transaction")
	warm := postgres.New(open(t, server.DSNVia(address, "postgres"), postgres.SessionsConfig{}), parse(t, healthy), postgres.Config{})
	if got := gather(t, warm, 10*time.Second); got["pg_up"] != 1 {
		t.Fatalf("pg_up = %v before the fault", got["pg_up"])
	}
	proxy.SetMode(t, realtest.Refuse)
	cold := postgres.New(open(t, server.DSNVia(address, "postgres"), postgres.SessionsConfig{}), parse(t, healthy), postgres.Config{})
	for name, c := range map[string]*postgres.Collector{"warm": warm, "cold": cold} {
		if got := timed(t, c, scrapeTime); got["pg_up"] != 0 || got["q_n"] != 0 {
			t.Errorf("%s: %v", name, only(got, "pg_up", "q_n", "pg_exporter_scrape_errors"))
		}
	}
}

// testPausedPooler holds that who has gone does not wait for a pooler, which lets clients
// wait as long as it is paused.
func testPausedPooler(t *testing.T, server *realtest.PostgresServer) {
	address := realtest.PgBouncer(t, server, "transaction", "admin_users = postgres")
	console, err := pgconn.Connect(t.Context(), server.DSNVia(address, "pgbouncer"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close(context.Background())
	if err := console.Exec(t.Context(), "PAUSE").Close(); err != nil {
		t.Fatal(err)
	}
	sessions := open(t, server.DSNVia(address, "postgres"), postgres.SessionsConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	if _, err := sessions.Server(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// testRested scrapes through a pooler at intervals, on one session that has to
// show that it lives.
func testRested(t *testing.T, dsn string) {
	t.Helper()
	var d dialer
	c := postgres.New(openSource(t, d.source(dsn), postgres.SessionsConfig{}), parse(t, healthy), postgres.Config{})
	for range 3 {
		if got := gather(t, c, 5*time.Second); got["pg_up"] != 1 || got["q_n"] != 1 {
			t.Errorf("pg_up = %v, q_n = %v", got["pg_up"], got["q_n"])
		}
		time.Sleep(150 * time.Millisecond)
	}
	if _, _, total := d.counts(); total > 2 { // one that found out, one that stays
		t.Errorf("%d sessions", total)
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
		if tt.costly && direct {
			continue
		}
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
