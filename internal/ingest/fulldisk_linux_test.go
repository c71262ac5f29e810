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

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
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
	disk, dir := t.TempDir(), t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, 0) })
	store, err := store.Open(t.Context(), sqlite.File{Path: filepath.Join(disk, "state.db")}, store.Config{})
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
	logs := &lockedBuffer{}
	logger := slog.New(slog.NewTextHandler(logs, nil))
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{Logger: logger})
	c := quick(pipeline)
	c.After = ingest.AfterMove
	source := ingest.NewDir(dir, c)
	stop := runUntilStopped(t, &ingest.Supervisor{MinPause: 5 * time.Millisecond, MaxPause: 50 * time.Millisecond, Logger: logger}, pipeline, source)
	realtest.Eventually(t, "told that the disk is full", func() bool { return strings.Contains(logs.String(), "make room on the disk") })
	if !strings.Contains(logs.String(), "state.db") {
		t.Errorf("the log does not name the file:\n%s", logs)
	}
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
