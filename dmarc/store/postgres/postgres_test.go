package postgres

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// engine opens a schema: the address is a connection string and a schema.
func engine(address string) store.Engine {
	dsn, schema, _ := strings.Cut(address, " ")
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		panic(err)
	}
	return Database{Config: config, Schema: schema}
}

// worlds makes schemas of a server.
func worlds(server *realtest.PostgresServer) func(t testing.TB) storetest.World {
	return func(t testing.TB) storetest.World {
		schema := "Odd name of " + t.Name()
		in := func(t testing.TB, statement string) [][]string {
			return server.SQL(t, "postgres", `SET search_path TO "`+schema+`"; `+statement)
		}
		return storetest.World{
			// A row has 24 bytes before the first column. With more records the
			// indexes of addresses take less: 158 bytes of 260,000 records.
			Engine: engine(server.DSN("postgres") + " " + schema), Query: in, RecordBytes: 215,
			Schema1: []string{"DROP SEQUENCE report_ids", "UPDATE meta SET value = '1' WHERE name = 'schema'"},
			Alter:   func(t testing.TB, statement string) { in(t, statement) },
			Plan:    func(t testing.TB, query string) string { return fmt.Sprint(in(t, "EXPLAIN "+query)) },
			Scan:    "Seq Scan on records",
		}
	}
}

// TestPostgres runs all tests on one server.
func TestPostgres(t *testing.T) {
	server := realtest.Postgres(t)
	t.Run("conforms", func(t *testing.T) { storetest.Run(t, worlds(server)) })
	for name, test := range map[string]func(*testing.T, *realtest.PostgresServer){
		"kill": testKill, "kill controls": testKillControls, "away": testAway, "read-only": testReadOnly,
		"start at once": testStartAtOnce, "access": testAccess, "check": testCheck, "shared": testShared, "shared alone": testSharedAlone, "others": testOthers,
		"copy": testCopy, "copy kill": testCopyKill, "dashboard": testDashboard,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

// testDashboard asks what the dashboard of records asks.
func testDashboard(t *testing.T, server *realtest.PostgresServer) {
	storetest.Dashboard(t, worlds(server)(t), "Odd name of "+t.Name())
}

// testCopy copies from a schema to a file and back, and merges schemas.
func testCopy(t *testing.T, server *realtest.PostgresServer) {
	database := worlds(server)
	file := func(t testing.TB) storetest.World {
		return storetest.World{Engine: sqlite.File{Path: filepath.Join(t.TempDir(), "state.db")}}
	}
	for name, pair := range map[string][2]func(testing.TB) storetest.World{
		"database to file": {database, file}, "file to database": {file, database},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := pair[0](t)
			// The schema of a world has the name of its test.
			t.Run("to", func(t *testing.T) { storetest.Copy(t, from, pair[1](t)) })
		})
	}
	t.Run("merge", func(t *testing.T) {
		from := database(t)
		t.Run("into", func(t *testing.T) {
			into := database(t)
			t.Run("both", func(t *testing.T) { storetest.Merge(t, from, into, database(t)) })
		})
		t.Run("lacking", func(t *testing.T) {
			from := database(t)
			t.Run("into", func(t *testing.T) { storetest.Lacks(t, from, database(t)) })
		})
	})
	t.Run("damaged", func(t *testing.T) {
		from := database(t)
		t.Run("to", func(t *testing.T) { storetest.CopyDamaged(t, from, database(t)) })
	})
}

func TestCopyKillChild(t *testing.T) { storetest.CopyKilling{Engine: engine}.Child(t) }

func testCopyKill(t *testing.T, server *realtest.PostgresServer) {
	storetest.CopyKilling{Engine: engine, From: server.DSN("postgres") + " from", To: server.DSN("postgres") + " to"}.Run(t)
}

func TestKillChild(t *testing.T) { storetest.Killing{Engine: engine}.Child(t) }

func testKill(t *testing.T, server *realtest.PostgresServer) {
	storetest.Killing{Engine: engine, Address: server.DSN("postgres") + " kill"}.Run(t)
}

func testKillControls(t *testing.T, server *realtest.PostgresServer) {
	for _, mode := range storetest.Controls() {
		t.Run(mode, func(t *testing.T) {
			storetest.Killing{Engine: engine, Address: server.DSN("postgres") + " " + mode}.Control(t, mode)
		})
	}
}

// testAway loses the connections of the server again and again: nothing is
// acknowledged meanwhile, and it goes on by itself.
func testAway(t *testing.T, server *realtest.PostgresServer) {
	s := storetest.Open(t, worlds(server)(t).Engine, tally.Config{})
	const end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dmarc-suite'"
	counted := int64(0)
	for i := range 10 {
		server.SQL(t, "postgres", end)
		d := storetest.Of(storetest.Unique(i))
		for tries := 0; ; tries++ {
			_, err := s.Commit(context.Background(), d)
			if err == nil {
				break
			}
			if !errors.Is(err, store.ErrUnavailable) || tries > 5 {
				t.Fatalf("error %v, want ErrUnavailable for once", err)
			}
			if got := s.Snapshot(); !errors.Is(got.Err, store.ErrUnavailable) || storetest.Total(got, tally.Messages) != counted {
				t.Errorf("%d messages, want %d; error %v", storetest.Total(got, tally.Messages), counted, got.Err)
			}
		}
		counted += 10
		if got := s.Snapshot(); got.Err != nil || storetest.Total(got, tally.Messages) != counted {
			t.Fatalf("%d messages, want %d; error %v", storetest.Total(got, tally.Messages), counted, got.Err)
		}
	}
}

// testReadOnly meets a server that may not be written, such as a standby.
func testReadOnly(t *testing.T, server *realtest.PostgresServer) {
	server.SQL(t, "postgres", "CREATE ROLE writer LOGIN PASSWORD 'x'; GRANT CREATE ON DATABASE postgres TO writer")
	s := storetest.Open(t, engine(strings.Replace(server.DSN("postgres"), "postgres:"+realtest.PostgresPassword, "writer:x", 1)), tally.Config{})
	server.SQL(t, "postgres", "ALTER ROLE writer SET default_transaction_read_only = on")
	server.SQL(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dmarc-suite'")
	commit := func() error {
		_, err := s.Commit(context.Background(), storetest.Of(storetest.Unique(1)))
		return err
	}
	realtest.Eventually(t, "told that the server is read-only", func() bool { return errors.Is(commit(), store.ErrReadOnly) })
	server.SQL(t, "postgres", "ALTER ROLE writer RESET ALL")
	realtest.Eventually(t, "counted", func() bool { return commit() == nil })
}

// testStartAtOnce starts several processes on an empty database: one of them
// makes the schema and writes, the others are told so.
func testStartAtOnce(t *testing.T, server *realtest.PostgresServer) {
	storetest.StartAtOnce(t, worlds(server)(t).Engine, tally.Config{})
}

// testAccess tells what is wrong with a connection.
func testAccess(t *testing.T, server *realtest.PostgresServer) {
	server.SQL(t, "postgres", "CREATE ROLE guest LOGIN PASSWORD 'x'")
	for _, tt := range []struct{ dsn, text string }{
		{strings.Replace(server.DSN("postgres"), realtest.PostgresPassword, "wrong", 1), "check the user, the password"},
		{server.DSN("none"), "check the user, the password and the name of the database"},
		{strings.Replace(server.DSN("postgres"), "postgres:"+realtest.PostgresPassword, "guest:x", 1), "let the user create and write the schema dmarc"},
	} {
		_, err := storetest.TryOpen(engine(tt.dsn), tally.Config{})
		if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), "database ") {
			t.Errorf("error %v, want %q", err, tt.text)
		}
		if err != nil && strings.Contains(err.Error(), realtest.PostgresPassword) {
			t.Errorf("the error holds the password: %v", err)
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	storetest.BenchmarkCommit(b, worlds(realtest.Postgres(b, "fsync=on")))
}

// testCheck checks indexes when it can, and says when it cannot.
func testCheck(t *testing.T, server *realtest.PostgresServer) {
	w := worlds(server)(t)
	storetest.Commit(t, storetest.Open(t, w.Engine, tally.Config{}), storetest.Of(storetest.Unique(1)))
	notes := func() string {
		t.Helper()
		checked, err := store.Check(t.Context(), w.Engine)
		if err != nil || len(checked.Problems) > 0 {
			t.Fatalf("%+v, %v", checked, err)
		}
		return strings.Join(checked.Notes, "; ")
	}
	if got := notes(); !strings.Contains(got, "indexes were not checked: CREATE EXTENSION amcheck") {
		t.Errorf("notes %q", got)
	}
	server.SQL(t, "postgres", "CREATE EXTENSION amcheck")
	if got := notes(); strings.Contains(got, "indexes") {
		t.Errorf("notes %q", got)
	}
}
