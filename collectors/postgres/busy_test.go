package postgres_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// busySchema fills the database lab. What slow is called for takes long in
// sessions that have lab.slow on.
const busySchema = `
	CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pg_buffercache;
	CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
		BEGIN IF current_setting('lab.slow', true) = 'on' THEN PERFORM pg_sleep(0.1); END IF; RETURN n; END $$;
	CREATE TABLE small AS SELECT n FROM generate_series(1, 8000) AS n;
	CREATE TABLE wide WITH (autovacuum_enabled = off) AS SELECT n, repeat('x', 900) AS text FROM generate_series(1, 8000) AS n;
	CREATE TABLE full_one (n int); CREATE INDEX ON full_one (slow(n)); INSERT INTO full_one SELECT generate_series(1, 1000);
	CREATE TABLE dirty (n int, text text) WITH (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,
		autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
	INSERT INTO dirty SELECT n, repeat('x', 900) FROM generate_series(1, 8000) AS n; DELETE FROM dirty WHERE n % 2 = 0;
	CREATE TABLE published (n int)`

// occupy makes a server show all that a busy primary can, until stop is called:
// slots, equal walsenders, a subscription, and commands that take long.
func occupy(t *testing.T, s *realtest.PostgresServer, major int) (stop func()) {
	t.Helper()
	if major >= 13 {
		s.SQL(t, "postgres", "ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'")
		s.SQL(t, "postgres", "SELECT pg_reload_conf()")
	}
	s.CreateDatabase(t, "pub", "CREATE TABLE published (n int); CREATE PUBLICATION p FOR TABLE published")
	s.SQL(t, "pub", "SELECT pg_create_logical_replication_slot('logical', 'pgoutput')")
	s.CreateDatabase(t, "lab", busySchema)
	s.SQL(t, "lab", "CREATE SUBSCRIPTION s CONNECTION '"+s.DSN("pub")+"' PUBLICATION p WITH (create_slot = false, slot_name = logical, copy_data = false)")
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	run := func(options string, work func(*pgconn.PgConn)) {
		running.Go(func() {
			conn, err := pgconn.Connect(ctx, s.DSN("lab")+options)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(context.Background())
			work(conn)
		})
	}
	for _, sql := range []string{
		"CREATE INDEX ON small (slow(n))",
		"VACUUM FULL full_one",
		"ANALYZE wide",
	} {
		run("", func(conn *pgconn.PgConn) {
			for _, part := range []string{"SET lab.slow = 'on'", "SET vacuum_cost_delay = 100", "SET vacuum_cost_limit = 1", sql} {
				_ = conn.Exec(ctx, part).Close() // The last one is cancelled.
			}
		})
	}
	run("", func(conn *pgconn.PgConn) {
		_ = conn.Exec(ctx, "SET lab.slow = 'on'").Close()
		_, _ = conn.CopyTo(ctx, io.Discard, "COPY (SELECT slow(n) FROM small) TO STDOUT")
	})
	replicate := func(name, command string) {
		run("&replication=true&application_name="+name, func(conn *pgconn.PgConn) {
			conn.Frontend().Send(&pgproto3.Query{String: command})
			_ = conn.Frontend().Flush() // What comes is not read, so that it does not end.
			<-ctx.Done()
		})
	}
	replicate("twin", "START_REPLICATION PHYSICAL 0/1000000")
	replicate("twin", "START_REPLICATION PHYSICAL 0/1000000")
	replicate("backup", baseBackup(major))
	return stop
}

// baseBackup is the command for a slow base backup.
func baseBackup(major int) string {
	if major >= 15 {
		return "BASE_BACKUP (MAX_RATE 32, CHECKPOINT 'fast', WAIT 0)"
	}
	return "BASE_BACKUP MAX_RATE 32 FAST NOWAIT"
}
