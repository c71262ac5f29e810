package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// testRoom holds that a role which may connect once is enough: queries wait for
// each other, in all databases, and after a session has died.
func testRoom(t *testing.T, server *realtest.PostgresServer) {
	server.SQL(t, "postgres", "CREATE ROLE single LOGIN PASSWORD 'p' CONNECTION LIMIT 1")
	server.CreateDatabase(t, "elsewhere", "")
	dsn := server.DSN("postgres")
	sessions := openSource(t, func(context.Context) (*pgconn.Config, error) {
		config, err := pgconn.ParseConfig(dsn)
		if err == nil {
			config.User, config.Password = "single", "p"
		}
		return config, err
	}, postgres.SessionsConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), realtest.Patience)
	defer cancel()
	for round := range 2 {
		var all sync.WaitGroup
		for i, database := range []string{"", "", "elsewhere", ""} {
			all.Go(func() {
				st := postgres.Statement{Database: database, SQL: fmt.Sprintf("SELECT current_database(), pg_sleep(0.01), %d", i)}
				if result, err := sessions.Query(ctx, st, func([]postgres.Field, [][]byte) {}); err != nil || result.Rows != 1 {
					t.Errorf("round %d, query %d in %q: %d rows, %v", round, i, database, result.Rows, err)
				}
			})
		}
		all.Wait()
		server.SQL(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'single'")
		if _, err := sessions.Server(ctx, ""); err != nil {
			t.Errorf("round %d: after the session has died: %v", round, err)
		}
	}
	server.SQL(t, "postgres", "ALTER ROLE single CONNECTION LIMIT 0")
	server.SQL(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'single'")
	if _, err := sessions.Server(ctx, ""); postgres.ReasonOf(err) != postgres.ReasonUnavailable {
		t.Errorf("a role that may not connect: %v", err)
	}
}
