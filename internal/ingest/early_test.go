package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/sqlite"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// behind is a clock that can be set, and a pipeline into a store that has it.
func behind(t *testing.T, by time.Duration, built time.Time) (*atomic.Int64, *store.Store, *ingest.Pipeline) {
	t.Helper()
	off := &atomic.Int64{}
	off.Store(int64(by))
	now := func() time.Time { return time.Now().Add(-time.Duration(off.Load())) }
	counts, err := store.Open(t.Context(), sqlite.File{Path: filepath.Join(t.TempDir(), "state.db")}, store.Config{
		Counts: tally.Config{Now: now}, Clock: store.Clock{Built: built},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = counts.Close() })
	return off, counts, ingest.NewPipeline(counts, ingest.PipelineConfig{Now: now})
}

// TestFutureWaits runs a source that deletes what it has counted on a machine
// whose clock is behind: nothing is lost, and everything counts once it is right.
func TestFutureWaits(t *testing.T) {
	for _, tt := range []struct {
		name  string
		by    time.Duration
		built time.Time
	}{
		{"by days", 5 * 24 * time.Hour, time.Time{}},
		{"by years", 26 * 365 * 24 * time.Hour, time.Time{}},
		{"by years, and the program knows better", 26 * 365 * 24 * time.Hour, time.Now().Add(-24 * time.Hour)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			off, counts, pipeline := behind(t, tt.by, tt.built)
			dir := t.TempDir()
			for i := range 5 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".xml")), ingesttest.Report(fmt.Sprint("r", i), 1), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var offered atomic.Int64
			deliver := func(ctx context.Context, d ...*ingest.Delivery) ([]ingest.Result, error) {
				defer offered.Add(int64(len(d)))
				return pipeline.Deliver(ctx, d...)
			}
			source := ingest.NewDir(dir, ingest.FileConfig{
				Options: ingest.Options{Poll: 10 * time.Millisecond, Marks: pipeline}, After: ingest.AfterDelete, Settle: time.Millisecond,
			})
			supervisor := &ingest.Supervisor{MinPause: 5 * time.Millisecond, MaxPause: 50 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				supervisor.Run(ctx, deliver, map[string]ingest.Source{"one": source})
			}()
			defer func() { cancel(); <-ended }()
			realtest.Eventually(t, "offered again and again", func() bool { return offered.Load() > 30 })
			if files, _ := filepath.Glob(dir + "/*.xml"); len(files) != 5 || ingesttest.Sum(counts, tally.Reports) != 0 {
				t.Fatalf("%d files are left and %d reports are recorded, want 5 and 0", len(files), ingesttest.Sum(counts, tally.Reports))
			}
			if got := counts.Snapshot().Clock != nil; got != !tt.built.IsZero() {
				t.Errorf("the clock is in doubt: %t", got)
			}
			off.Store(0)
			realtest.Eventually(t, "counted", func() bool {
				files, _ := filepath.Glob(dir + "/*.xml")
				return len(files) == 0 && ingesttest.Sum(counts, tally.Reports, "counted") == 5
			})
		})
	}
}

// TestFutureExpires records a report that stays in the future when its input is
// old: by the server that took the mail, by the mail, or by the file.
func TestFutureExpires(t *testing.T) {
	_, counts, pipeline := behind(t, 30*24*time.Hour, time.Time{})
	now := time.Now().AddDate(0, 0, -30)
	date := func(days int) string { return now.AddDate(0, 0, -days).Format(time.RFC1123Z) }
	letter := func(fields string) string {
		return fields + "From: a@b.example\r\nContent-Type: application/xml\r\n\r\n" + string(ingesttest.Report("r", 1))
	}
	for _, tt := range []struct {
		name  string
		body  string
		since time.Time
		order bool
		waits bool
	}{
		{"an upload", string(ingesttest.Report("r", 1)), time.Time{}, false, true},
		{"a file of today", string(ingesttest.Report("r", 1)), now, false, true},
		{"an old file", string(ingesttest.Report("r", 1)), now.AddDate(0, 0, -31), false, false},
		{"a mail", letter(""), time.Time{}, false, true},
		{"a mail of today", letter("Date: " + date(0) + "\r\n"), now.AddDate(0, 0, -31), false, true},
		{"an old mail", letter("Date: " + date(31) + "\r\n"), now, false, false},
		{"an old mail with a late date", letter("Received: from a by b with SMTP; " + date(31) + "\r\nReceived: x; " + date(0) + "\r\nDate: " + date(-100) + "\r\n"), now, false, false},
		{"a mail of tomorrow", letter("Date: " + date(-1) + "\r\n"), now, false, true},
		{"in order", letter("Date: " + date(0) + "\r\n"), now, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := ingesttest.Sum(counts, tally.Reports, string(tally.OutcomeFuture))
			result, err := ingest.Deliver(pipeline.Deliver).One(t.Context(), &ingest.Delivery{
				Source: "a", Body: strings.NewReader(tt.body), Since: tt.since, InOrder: tt.order,
			})
			var input *ingest.InputError
			if got := errors.Is(err, ingest.ErrNotNow); got != tt.waits || errors.As(err, &input) {
				t.Errorf("error %v, want waiting %t", err, tt.waits)
			}
			if recorded := ingesttest.Sum(counts, tally.Reports, string(tally.OutcomeFuture)) - before; (recorded == 0) != tt.waits || recorded != int64(result.Known) {
				t.Errorf("%d recorded as future, %d known", recorded, result.Known)
			}
		})
	}
}

// TestDoubtBeforeFuture refuses a report from the future for the clock that is in
// doubt: then it is the clock that all inputs wait for, not each for its day.
func TestDoubtBeforeFuture(t *testing.T) {
	t.Parallel()
	for name, built := range map[string]time.Time{"in doubt": time.Now().Add(-24 * time.Hour), "believed": {}} {
		_, _, pipeline := behind(t, 26*365*24*time.Hour, built)
		_, err := ingest.Deliver(pipeline.Deliver).One(t.Context(), &ingest.Delivery{Source: "dir:a", Name: "a", Body: bytes.NewReader(ingesttest.Report("a", 1))})
		if errors.Is(err, store.ErrClock) == built.IsZero() || errors.Is(err, ingest.ErrNotNow) != built.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
}
