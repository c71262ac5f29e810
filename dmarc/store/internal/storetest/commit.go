package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// testOutcomes recognises reports after a restart.
func testOutcomes(t *testing.T, w World) {
	s := Open(t, w.Engine, tally.Config{})
	Commit(t, s, Of(Entry(nil)))
	Close(t, s)
	s = Open(t, w.Engine, tally.Config{})
	d := Of(
		Entry(nil),
		Entry(func(e *tally.Entry) { e.Digest[0] = 9 }),
		Entry(func(e *tally.Entry) { e.ReportID = "2" }),
		Entry(func(e *tally.Entry) { e.ReportID = "2" }),
		Entry(func(e *tally.Entry) { e.ReportID, e.Digest[0] = "3", 9 }),
		Entry(func(e *tally.Entry) { e.End = Now.AddDate(-2, 0, 0) }),
		Entry(func(e *tally.Entry) { e.End = Now.AddDate(0, 0, 3) }),
	)
	d.Refused, d.Auth, d.Source = []store.Refusal{{Reason: dmarc.ReasonSyntax}}, "pass", "dir:a"
	want := []tally.Outcome{
		tally.OutcomeDuplicate, tally.OutcomeConflict, tally.OutcomeTwin, tally.OutcomeDuplicate, tally.OutcomeCounted, tally.OutcomeTooOld, tally.OutcomeFuture,
	}
	if diff := cmp.Diff(want, Commit(t, s, d)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	snapshot := s.Snapshot()
	if got := Total(snapshot, tally.Messages); got != 30 {
		t.Errorf("%d messages, want 30", got)
	}
	if got := Sums(snapshot, tally.Authenticated)["pass"]; got != 8 {
		t.Errorf("%d authenticated, want 8", got)
	}
	if got := Sums(snapshot, tally.Refusals)["syntax"]; got != 1 {
		t.Errorf("%d refusals, want 1", got)
	}
}

// testReopen finds everything as it was.
func testReopen(t *testing.T, w World) {
	s := Open(t, w.Engine, tally.Config{})
	hostile := Entry(func(e *tally.Entry) {
		e.Org, e.ReportID = `"quoted" \ org é`, "2"
		for i := range 50 {
			e.Groups[tally.Group{Domain: "shop.example", Disposition: "none", Source: fmt.Sprint("s", i)}] = 1
		}
	})
	tls := &tally.Entry{
		Identity: tally.Identity{Kind: "tls", Org: "TLS Org", Domain: "shop.example", ReportID: "t", Begin: Now.Add(-48 * time.Hour), End: Now.Add(-24 * time.Hour)},
		TLS:      []tally.Sessions{{Domain: "shop.example", Policy: "sts", Successful: 4, Failed: 1}},
	}
	d := Of(Entry(nil), hostile, tls)
	d.Source = "dir:a"
	Commit(t, s, d)
	before := s.Snapshot()
	Close(t, s)
	Close(t, s) // harmless
	if _, err := s.Commit(context.Background(), &store.Delivery{}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("commit after close: %v, want ErrClosed", err)
	}
	after := Open(t, w.Engine, tally.Config{}).Snapshot()
	after.Bytes = before.Bytes // pages, freed and used
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("snapshots (-before +after):\n%s", diff)
	}
	if len(after.Generation) != 16 || !after.Created.Equal(Now) || after.Identities != 3 {
		t.Errorf("generation %q, created %s, %d identities", after.Generation, after.Created, after.Identities)
	}
}

func testConcurrent(t *testing.T, w World) {
	s := Open(t, w.Engine, tally.Config{})
	var reader sync.WaitGroup
	stop := make(chan struct{})
	reader.Go(func() {
		for last := int64(0); ; {
			select {
			case <-stop:
				return
			default:
			}
			n := Total(s.Snapshot(), tally.Messages)
			if n < last || n%10 != 0 {
				t.Errorf("%d messages after %d: half of a report is seen", n, last)
			}
			last = n
		}
	})
	var writers sync.WaitGroup
	for i := range 200 {
		writers.Go(func() {
			if _, err := s.Peek(context.Background(), Unique(i)); err != nil {
				t.Error(err)
			}
			if _, err := s.Commit(context.Background(), Of(Unique(i%150))); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	close(stop)
	reader.Wait()
	got := Sums(s.Snapshot(), tally.Reports)
	if got["aggregate,Example Mail,counted"] != 150 || got["aggregate,Example Mail,duplicate"] != 50 {
		t.Errorf("reports %v, want 150 counted and 50 duplicates", got)
	}
}

// testCommitAll records all deliveries in one transaction.
func testCommitAll(t *testing.T, w World) {
	f := &Faulty{Engine: w.Engine}
	s := Open(t, f, tally.Config{})
	before := f.Transactions.Load()
	got, err := s.CommitAll(context.Background(), Of(Unique(1), Unique(2)), &store.Delivery{Source: "a", Key: "k"}, Of(Unique(1)))
	want := [][]tally.Result{
		{{Outcome: tally.OutcomeCounted, Counted: true}, {Outcome: tally.OutcomeCounted, Counted: true}}, {}, {{Outcome: tally.OutcomeDuplicate}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("results (-want +got), %v:\n%s", err, diff)
	}
	if n := f.Transactions.Load() - before; n != 1 {
		t.Errorf("%d transactions, want 1", n)
	}
}

// testGroupCommit holds that commits which wait share a transaction.
func testGroupCommit(t *testing.T, w World) {
	busy, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f := &Faulty{Engine: w.Engine}
	s := Open(t, f, tally.Config{})
	f.Before = func() error {
		once.Do(func() { close(busy); <-release })
		return nil
	}
	var wg sync.WaitGroup
	commit := func(i int) {
		wg.Go(func() {
			if _, err := s.Commit(context.Background(), Of(Unique(i))); err != nil {
				t.Error(err)
			}
		})
	}
	commit(0)
	<-busy
	before := f.Transactions.Load()
	for i := range 150 {
		commit(i + 1)
	}
	close(release)
	wg.Wait()
	// Some may come late; most of them waited.
	if n := f.Transactions.Load() - before; n > 75 {
		t.Errorf("150 commits in %d transactions, want few", n)
	}
	if got := Total(s.Snapshot(), tally.Messages); got != 1510 {
		t.Errorf("%d messages, want 1510", got)
	}
}

// testCancelled holds that a delivery whose commit says that ctx ended is not counted.
func testCancelled(t *testing.T, w World) {
	busy, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f := &Faulty{Engine: w.Engine}
	s := Open(t, f, tally.Config{})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Commit(ended, Of(Entry(nil))); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	f.Before = func() error {
		once.Do(func() { close(busy); <-release })
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = s.Commit(context.Background(), &store.Delivery{Source: "a"}) })
	<-busy
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := s.Commit(ctx, Of(Entry(nil))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want context.DeadlineExceeded", err)
	}
	close(release)
	wg.Wait()
	if got := Commit(t, s, Of(Entry(nil))); got[0] != tally.OutcomeCounted {
		t.Errorf("outcome %s, want counted: the commits before did not happen", got[0])
	}
}

// testFailed leaves everything as it was, and the next transaction succeeds.
func testFailed(t *testing.T, w World) {
	f := &Faulty{Engine: w.Engine}
	s := Open(t, f, tally.Config{})
	Commit(t, s, Of(Unique(1)))
	before := s.Snapshot()
	boom := errors.New("boom")
	f.Before = func() error { return boom }
	d := Of(Unique(2), Unique(3))
	d.Source, d.Key, d.Mark = "a", "k", "m"
	if _, err := s.Commit(context.Background(), d); !errors.Is(err, boom) {
		t.Fatalf("error %v, want boom", err)
	}
	f.Before = nil
	after := s.Snapshot()
	if !errors.Is(after.Err, boom) {
		t.Errorf("Snapshot.Err is %v, want boom", after.Err)
	}
	after.Err, after.Bytes = nil, before.Bytes
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the failed transaction shows (-before +after):\n%s", diff)
	}
	if _, ok := Mark(t, s, "a", "k"); ok {
		t.Error("the mark of the failed transaction is there")
	}
	if got := Commit(t, s, Of(Unique(2))); got[0] != tally.OutcomeCounted {
		t.Errorf("outcome %s, want counted", got[0])
	}
	if after := s.Snapshot(); after.Err != nil || Total(after, tally.Messages) != 20 {
		t.Errorf("%d messages, error %v", Total(after, tally.Messages), after.Err)
	}
}

// testUncertain commits a transaction that seems to fail, as when the very last
// sync fails: what is in memory is read from the database again.
func testUncertain(t *testing.T, w World) {
	f := &Faulty{Engine: w.Engine}
	s := Open(t, f, tally.Config{})
	f.After = func() error { return errors.New("boom") }
	if _, err := s.Commit(context.Background(), Of(Unique(1))); err == nil {
		t.Error("no error")
	}
	f.After = nil
	if got := Commit(t, s, Of(Unique(1))); got[0] != tally.OutcomeDuplicate {
		t.Errorf("outcome %s, want duplicate", got[0])
	}
	if after := s.Snapshot(); Total(after, tally.Messages) != 10 || after.Identities != 1 {
		t.Errorf("%d messages of %d reports, want 10 of 1", Total(after, tally.Messages), after.Identities)
	}
}

func testLocked(t *testing.T, w World) {
	s := Open(t, w.Engine, tally.Config{})
	if _, err := TryOpen(w.Engine, tally.Config{}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("opened twice: %v, want ErrLocked", err)
	}
	Commit(t, s, Of(Entry(nil)))
}
