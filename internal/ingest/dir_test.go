package ingest_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// runSource runs a source until the test ends and returns its pipeline and log.
func runSource(t *testing.T, source func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source) (*store.Store, *realtest.Log) {
	t.Helper()
	store := ingesttest.Store(t)
	logs := &realtest.Log{}
	logger := slog.New(slog.NewTextHandler(logs, nil))
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{Logger: logger})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	supervisor := &ingest.Supervisor{MinPause: 5 * time.Millisecond, MaxPause: 50 * time.Millisecond, Logger: logger}
	group.Go(func() {
		supervisor.Run(ctx, pipeline.Deliver, map[string]ingest.Source{"one": source(pipeline, logger)})
	})
	t.Cleanup(func() {
		cancel()
		group.Wait()
	})
	return store, logs
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// TestDirHalfWritten writes a report in pieces, with pauses longer than Settle:
// it must be counted whole, once, and never be refused.
func TestDirHalfWritten(t *testing.T) {
	dir := t.TempDir()
	store, _ := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
		return ingest.NewDir(dir, ingest.FileConfig{
			After: ingest.AfterMove, Settle: 10 * time.Millisecond, Patience: time.Minute,
			Options: ingest.Options{Poll: 20 * time.Millisecond, Marks: p, Logger: logger},
		})
	})
	report := ingesttest.Report("slow", 9)
	file, err := os.Create(filepath.Join(dir, "slow.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for part := range 8 {
		if _, err := file.Write(report[len(report)*part/8 : len(report)*(part+1)/8]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Millisecond)
	}
	realtest.Eventually(t, "counted", func() bool { return ingesttest.Sum(store, tally.Messages) == 9 })
	if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
		t.Errorf("%d refusals, want 0", n)
	}
}

// TestDirLeavesForeignFiles holds which names are no inputs.
func TestDirLeavesForeignFiles(t *testing.T) {
	dir := t.TempDir()
	left := []string{".hidden.xml", "a.xml.tmp", "b.part", "c.filepart", "d.xml~", "e.PARTIAL"}
	for _, name := range left {
		write(t, filepath.Join(dir, name), ingesttest.Report(name, 1))
	}
	write(t, filepath.Join(dir, "sub.xml.d"), nil)
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "directory", "x.xml"), ingesttest.Report("x", 1))
	store, _ := runSource(t, func(p *ingest.Pipeline, _ *slog.Logger) ingest.Source {
		c := quick(p)
		c.After = ingest.AfterMove
		return ingest.NewDir(dir, c)
	})
	write(t, filepath.Join(dir, "good.xml"), ingesttest.Report("good", 2))
	realtest.Eventually(t, "good.xml done", func() bool { return exists(filepath.Join(dir, "done", "good.xml")) })
	for _, name := range append(left, "directory/x.xml") {
		if !exists(filepath.Join(dir, name)) {
			t.Errorf("%s was touched", name)
		}
	}
	if n := ingesttest.Sum(store, tally.Messages); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
	realtest.Eventually(t, "the empty file in invalid/empty", func() bool { return exists(filepath.Join(dir, "invalid", "empty", "sub.xml.d")) })
}

// TestDirSameName moves a second file of the same name beside the first.
func TestDirSameName(t *testing.T) {
	dir := t.TempDir()
	store, _ := runSource(t, func(p *ingest.Pipeline, _ *slog.Logger) ingest.Source {
		c := quick(p)
		c.After = ingest.AfterMove
		return ingest.NewDir(dir, c)
	})
	for i, id := range []string{"one", "two", "three"} {
		write(t, filepath.Join(dir, "report.xml"), ingesttest.Report(id, i+1))
		realtest.Eventually(t, id+" taken", func() bool { return !exists(filepath.Join(dir, "report.xml")) })
	}
	for _, name := range []string{"report.xml", "report.xml.1", "report.xml.2"} {
		if !exists(filepath.Join(dir, "done", name)) {
			t.Errorf("done/%s is missing", name)
		}
	}
	if n := ingesttest.Sum(store, tally.Messages); n != 6 {
		t.Errorf("%d messages, want 6", n)
	}
}

// TestDirUnreadable replaces a directory by nothing and back: the source is
// down, says so, and comes back.
func TestDirUnreadable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports")
	var source *ingest.Dir
	store, logs := runSource(t, func(p *ingest.Pipeline, _ *slog.Logger) ingest.Source {
		source = ingest.NewDir(dir, quick(p))
		return source
	})
	realtest.Eventually(t, "an error in the log", func() bool { return strings.Contains(logs.String(), "no such file or directory") })
	for round := range 3 {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "a.xml"), ingesttest.Report(string(rune('a'+round)), 1))
		realtest.Eventually(t, "counted", func() bool {
			return source.Status().Up && ingesttest.Sum(store, tally.Messages) == int64(round+1)
		})
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		realtest.Eventually(t, "down", func() bool { return !source.Status().Up })
	}
	if err := source.Status().Err; err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want one that names %s", err, dir)
	}
}

// TestDirPoison reads the others beside a file that cannot be read, which stays
// however often that was tried.
func TestDirPoison(t *testing.T) {
	if !exists("/proc/self/mem") {
		t.Skip("no /proc")
	}
	dir := t.TempDir()
	// A file that fails on reading: the memory of a process, at offset 0.
	poison := filepath.Join(dir, "a-poison.xml")
	if err := os.Symlink("/proc/self/mem", poison); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "b-good.xml"), ingesttest.Report("good", 4))
	store, logs := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
		c := quick(p)
		c.After, c.Attempts, c.GiveUpAfter, c.Logger, c.FollowLinks = ingest.AfterMove, 3, 1, logger, true
		return ingest.NewDir(dir, c)
	})
	realtest.Eventually(t, "the good one moved, the other one tried often", func() bool {
		return exists(filepath.Join(dir, "done", "b-good.xml")) && strings.Count(logs.String(), "cannot read a file, will try again") > 5
	})
	if n := ingesttest.Sum(store, tally.Refusals); n != 0 || ingesttest.Sum(store, tally.Messages) != 4 {
		t.Errorf("%d refusals, want none, and 4 messages", n)
	}
	if _, err := os.Lstat(poison); err != nil {
		t.Errorf("the file is not where it was: %v", err)
	}
}

// TestDirUnauthenticated keeps a file whose mail cannot be authenticated for a
// day, and gives it up then.
func TestDirUnauthenticated(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.eml"), mail(ingesttest.Report("a", 1)))
	write(t, filepath.Join(dir, "b.xml"), ingesttest.Report("b", 4))
	store := ingesttest.Store(t)
	var asked, late atomic.Int64
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{Authenticate: func(_ context.Context, mail *unpack.Mail, _ unpack.Kind) ingest.Authentication {
		if mail == nil {
			return ingest.Authentication{Result: "none"}
		}
		asked.Add(1)
		return ingest.Authentication{Refused: errors.New("SERVFAIL"), Retry: true}
	}})
	c := quick(pipeline)
	c.After, c.Now = ingest.AfterMove, func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	source := ingest.NewDir(dir, c)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = source.Run(ctx, pipeline.Deliver) })
	defer running.Wait()
	defer cancel()
	realtest.Eventually(t, "asked often", func() bool { return asked.Load() > 6 && exists(filepath.Join(dir, "done", "b.xml")) })
	if !exists(filepath.Join(dir, "a.eml")) {
		t.Error("the mail was given up within a day")
	}
	late.Store(int64(25 * time.Hour))
	realtest.Eventually(t, "given up", func() bool { return exists(filepath.Join(dir, "invalid", "io", "a.eml")) })
	if n := ingesttest.Sum(store, tally.Refusals, "io"); n != 1 {
		t.Errorf("%d refusals for io, want 1", n)
	}
}

// TestLinks leaves symbolic links alone, unless they are wanted, and pipes always.
func TestLinks(t *testing.T) {
	for _, follow := range []bool{false, true} {
		dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret.xml")
		write(t, outside, ingesttest.Report("linked", 5))
		if err := os.Symlink(outside, filepath.Join(dir, "a.xml")); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(filepath.Join(dir, "b.xml"), 0o600); err != nil {
			t.Fatal(err)
		}
		mbox := filepath.Join(dir, ".mbox")
		if err := os.Symlink(outside, mbox); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "c.xml"), ingesttest.Report("plain", 2))
		store, logs := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
			c := quick(p)
			c.FollowLinks, c.Logger = follow, logger
			return ingest.NewDir(dir, c)
		})
		want := int64(2)
		if follow {
			want += 5
		}
		realtest.Eventually(t, "counted", func() bool {
			return ingesttest.Sum(store, tally.Messages) == want && strings.Contains(logs.String(), "symbolic links are left alone") != follow
		})
		if n := ingesttest.Sum(store, tally.Refusals); n != 0 {
			t.Errorf("%d refusals, want none", n)
		}
		source, err := ingest.NewMbox(mbox, ingest.FileConfig{FollowLinks: follow})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		delivered := false
		err = source.Run(ctx, func(context.Context, ...*ingest.Delivery) ([]ingest.Result, error) {
			delivered = true
			cancel()
			return nil, ctx.Err()
		})
		cancel()
		if delivered != follow {
			t.Errorf("the mbox behind a link was read: %t, want %t (%v)", delivered, follow, err)
		}
	}
}

// TestDirStuck keeps files that cannot be moved, and does not count them again.
func TestDirStuck(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.xml"), ingesttest.Report("a", 5))
	write(t, filepath.Join(dir, "done"), []byte("in the way"))
	store, logs := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
		c := quick(p)
		c.After, c.KeepRefused, c.Logger = ingest.AfterMove, true, logger
		return ingest.NewDir(dir, c)
	})
	realtest.Eventually(t, "told", func() bool { return strings.Contains(logs.String(), "cannot move or delete a processed file") })
	time.Sleep(200 * time.Millisecond) // Several scans.
	if n := ingesttest.Sum(store, tally.Reports, string(tally.OutcomeCounted)); n != 1 {
		t.Errorf("%d reports, want 1", n)
	}
	if n := strings.Count(logs.String(), "cannot move or delete a processed file"); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
	// As soon as the way is free the file goes where it should.
	if err := os.Remove(filepath.Join(dir, "done")); err != nil {
		t.Fatal(err)
	}
	realtest.Eventually(t, "moved", func() bool { return exists(filepath.Join(dir, "done", "a.xml")) })
	if n := ingesttest.Sum(store, tally.Reports); n != 2 {
		t.Errorf("%d outcomes, want 2: one counted, one refused", n)
	}
}

// TestSparseFile refuses a file of 4 TiB unread, and reads the one beside it.
func TestSparseFile(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "a.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(4 << 40); err != nil {
		t.Skipf("the file system has no such files: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.xml"), ingesttest.Report("b", 3), 0o600); err != nil {
		t.Fatal(err)
	}
	store, _ := runSource(t, func(p *ingest.Pipeline, logger *slog.Logger) ingest.Source {
		return ingest.NewDir(dir, ingest.FileConfig{
			Options: ingest.Options{Marks: p, Logger: logger, Poll: 20 * time.Millisecond}, Settle: time.Millisecond, Patience: time.Millisecond,
		})
	})
	realtest.Eventually(t, "one counted, one refused", func() bool {
		return ingesttest.Sum(store, tally.Messages) == 3 && ingesttest.Sum(store, tally.Refusals, "too_large") == 1
	})
	mbox, err := ingest.NewMbox(filepath.Join(dir, "a.xml"), ingest.FileConfig{})
	if err == nil {
		err = mbox.Run(t.Context(), nil)
	}
	// The directory has put it away meanwhile.
	if errors.Is(err, os.ErrNotExist) {
		mbox, err = ingest.NewMbox(filepath.Join(dir, "invalid", "too_large", "a.xml"), ingest.FileConfig{})
		if err == nil {
			err = mbox.Run(t.Context(), nil)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "more than any mailbox has") {
		t.Errorf("an mbox of 4 TiB: %v", err)
	}
}

// TestSupervisorExchange changes sources at work: what stays is not disturbed.
func TestSupervisorExchange(t *testing.T) {
	a, b, c := &fakeSource{name: "a"}, &fakeSource{name: "b"}, &fakeSource{name: "c"}
	supervisor := &ingest.Supervisor{MinPause: time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { supervisor.Run(ctx, nil, map[string]ingest.Source{"a": a, "b": b}) })
	realtest.Eventually(t, "two run", func() bool { return a.running.Load() == 1 && b.running.Load() == 1 })
	if err := supervisor.Exchange(ctx, map[string]ingest.Source{"b": &fakeSource{name: "other b"}, "c": c}); err != nil {
		t.Fatal(err)
	}
	realtest.Eventually(t, "c runs", func() bool { return c.running.Load() == 1 })
	if a.running.Load() != 0 || b.starts.Load() != 1 {
		t.Errorf("a runs %d times, b was started %d times, want 0 and 1", a.running.Load(), b.starts.Load())
	}
	if n := len(supervisor.Sources()); n != 2 {
		t.Errorf("%d sources, want 2", n)
	}
	c.fail.Store(true)
	realtest.Eventually(t, "c is started again", func() bool { return c.starts.Load() > 2 })
	cancel()
	group.Wait()
	if n := b.running.Load() + c.running.Load(); n != 0 {
		t.Errorf("%d sources run after the end", n)
	}
}

// fakeSource runs until it is told to fail.
type fakeSource struct {
	name            string
	running, starts atomic.Int64
	fail            atomic.Bool
}

func (f *fakeSource) Status() ingest.Status { return ingest.Status{Name: f.name} }

func (f *fakeSource) Run(ctx context.Context, _ ingest.Deliver) error {
	f.starts.Add(1)
	f.running.Add(1)
	defer f.running.Add(-1)
	for ctx.Err() == nil {
		if f.fail.Load() {
			return errors.New("failed")
		}
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}
