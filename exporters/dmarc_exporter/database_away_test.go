package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// log is what a service logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds a line.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns what was logged and forgets it.
func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// TestDatabaseAway takes the database away again and again, in each way: files
// stay where they are and are not counted, dmarc_up is 0, the log says what to
// do, and all of it goes on by itself.
func TestDatabaseAway(t *testing.T) {
	server := realtest.Postgres(t)
	proxy := realtest.NewFaultProxy(t, "tcp", server.Addr())
	address, err := url.Parse(server.DSNVia(proxy.Addr(), "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.User("postgres")
	t.Setenv("PGPASSWORD", realtest.PostgresPassword)
	dir, logs := t.TempDir(), &log{}
	options := &serving.ServeOptions{Dirs: []string{dir}, After: string(ingest.AfterMove), Refused: "move", Rescan: 20 * time.Millisecond}
	options.Database = address.String()
	s, err := serving.NewService(t.Context(), options, slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.Supervisor.MinPause, s.Supervisor.MaxPause = 10*time.Millisecond, 100*time.Millisecond
	defer runOpenService(t, s)()
	reports := 0
	offer := func() {
		t.Helper()
		reports++
		path := filepath.Join(dir, fmt.Sprintf("%d.xml", reports))
		if err := os.WriteFile(path+".tmp", ingesttest.Report(fmt.Sprint("r", reports), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path+".tmp", old, old); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".tmp", path); err != nil {
			t.Fatal(err)
		}
	}
	all := func() bool {
		done, _ := os.ReadDir(filepath.Join(dir, "done")) // It may not be there yet.
		return ingesttest.Sum(s.Store, tally.Messages) == int64(reports) && len(done) == reports
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collector.New(s.Store, collector.Config{})); err != nil {
		t.Fatal(err)
	}
	up := func() float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "dmarc_up" {
				return f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		t.Fatal("no dmarc_up")
		return 0
	}
	offer()
	realtest.Eventually(t, "the first report counted", all)
	for _, mode := range []realtest.Mode{realtest.Refuse, realtest.Reset, realtest.Refuse} {
		logs.take()
		proxy.SetMode(t, mode)
		offer()
		offer()
		realtest.Eventually(t, "dmarc_up is 0", func() bool { return up() == 0 })
		if got := ingesttest.Sum(s.Store, tally.Messages); got != int64(reports-2) {
			t.Errorf("mode %d: %d messages, want %d", mode, got, reports-2)
		}
		if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%d.xml", reports))); err != nil {
			t.Errorf("mode %d: the file was acknowledged: %v", mode, err)
		}
		realtest.Eventually(t, "an error in the log", func() bool {
			text := logs.take()
			return strings.Contains(text, "unavailable") && strings.Contains(text, "start the server")
		})
		proxy.SetMode(t, realtest.Pass)
		realtest.Eventually(t, "all counted", all)
		if got := up(); got != 1 {
			t.Errorf("mode %d: dmarc_up is %v, want 1", mode, got)
		}
	}
}
