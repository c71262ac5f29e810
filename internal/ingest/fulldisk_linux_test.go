package ingest_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/postgres"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestFullDisk fills the disk of the state, which has room for a log of SQLite
// and little more: nothing is acknowledged that is
// not counted, the log says why, and all goes on when there is room again.
func TestFullDisk(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		disk := smallDisk(t, t.TempDir(), "12m")
		testFullDisk(t, disk, sqlite.File{Path: filepath.Join(disk, "state.db")}, "state.db", "make room on the disk")
	})
	t.Run("postgres", func(t *testing.T) {
		server := realtest.Postgres(t)
		disk := filepath.Join(server.Dir, "disk") // where its user gets to
		if err := os.Mkdir(disk, 0o755); err != nil {
			t.Fatal(err)
		}
		smallDisk(t, disk, "32m")
		space := filepath.Join(disk, "space")
		if err := os.Mkdir(space, 0o700); err != nil {
			t.Fatal(err)
		}
		realtest.Unprivileged(t, space)
		server.SQL(t, "postgres", "CREATE TABLESPACE small LOCATION '"+space+"'")
		server.SQL(t, "postgres", "CREATE DATABASE full_disk TABLESPACE small")
		config, err := pgxpool.ParseConfig(server.DSN("full_disk"))
		if err != nil {
			t.Fatal(err)
		}
		testFullDisk(t, disk, postgres.Database{Config: config}, "database full_disk", "make room on the disk of the server")
	})
}

// smallDisk mounts a disk on a directory, and returns it.
func smallDisk(t *testing.T, disk, size string) string {
	t.Helper()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "mode=755,size="+size); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	return disk
}

func testFullDisk(t *testing.T, disk string, engine store.Engine, name, advice string) {
	dir := t.TempDir()
	store, err := store.Open(t.Context(), engine, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	const reports = 300
	for i := range reports {
		write(t, filepath.Join(dir, fmt.Sprintf("%03d.xml", i)), ingesttest.Report(fmt.Sprintf("r%d", i), 1))
	}
	logs := &realtest.Log{}
	logger := slog.New(slog.NewTextHandler(logs, nil))
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{Logger: logger})
	c := quick(pipeline)
	c.After = ingest.AfterMove
	source := ingest.NewDir(dir, c)
	stop := runUntilStopped(t, &ingest.Supervisor{MinPause: 5 * time.Millisecond, MaxPause: 50 * time.Millisecond, Logger: logger}, pipeline, source)
	realtest.Eventually(t, "told that the disk is full", func() bool { return strings.Contains(logs.String(), advice) })
	if !strings.Contains(logs.String(), name) {
		t.Errorf("the log does not name %s:\n%s", name, logs)
	}
	realtest.Eventually(t, "the metrics tell that the state cannot be written", func() bool { return store.Snapshot().Err != nil })
	done, _ := os.ReadDir(filepath.Join(dir, "done")) // It may not be there yet.
	if counted := ingesttest.Sum(store, tally.Messages); int64(len(done)) > counted {
		t.Errorf("%d files moved, but only %d counted", len(done), counted)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	realtest.Eventually(t, "all counted", func() bool { return ingesttest.Sum(store, tally.Messages) == reports && files(t, dir) == 0 })
	stop()
	if n := ingesttest.Sum(store, tally.Reports); n != reports {
		t.Errorf("%d outcomes, want %d", n, reports)
	}
}

// fill writes a file until the disk is full, but for a little.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
}
