package tally

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// unique returns a report that is no twin of any other.
func unique(i int) *Entry {
	return entry(func(e *Entry) { e.ReportID, e.Digest = fmt.Sprint(i), [8]byte{byte(i), byte(i >> 8), byte(i >> 16)} })
}

func TestConcurrentCommits(t *testing.T) {
	tally := open(t, path(t), Config{})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for last := int64(0); ; {
			select {
			case <-stop:
				return
			default:
			}
			n := total(tally.Snapshot(), Messages)
			if n < last || n%10 != 0 {
				t.Errorf("%d messages after %d: half of a report is seen", n, last)
			}
			last = n
		}
	})
	var writers sync.WaitGroup
	for i := range 200 {
		writers.Go(func() {
			if _, err := tally.Commit(context.Background(), &Delivery{Entries: []*Entry{unique(i % 150)}}); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	close(stop)
	wg.Wait()
	got := sums(tally.Snapshot(), Reports)
	if got["aggregate,Example Mail,counted"] != 150 || got["aggregate,Example Mail,duplicate"] != 50 {
		t.Errorf("reports %v, want 150 counted and 50 duplicates", got)
	}
}

// TestGroupCommit holds that commits which wait share a transaction, of at most maxBatch.
func TestGroupCommit(t *testing.T) {
	tally := open(t, path(t), Config{})
	release := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = tally.do(nil, func(*bolt.Tx, *delta) error { <-release; return nil })
	})
	var mu sync.Mutex
	transactions := map[int]int{}
	var started atomic.Int64
	for range 150 {
		wg.Go(func() {
			started.Add(1)
			_ = tally.do(nil, func(tx *bolt.Tx, _ *delta) error {
				mu.Lock()
				transactions[tx.ID()]++
				mu.Unlock()
				return nil
			})
		})
	}
	for started.Load() < 150 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // most of them wait in the queue by then
	close(release)
	wg.Wait()
	requests := 0
	for id, n := range transactions {
		if n > maxBatch {
			t.Errorf("transaction %d has %d requests", id, n)
		}
		requests += n
	}
	if requests != 150 || len(transactions) > 75 {
		t.Errorf("%d requests in %d transactions, want 150 in few", requests, len(transactions))
	}
}

// TestCommitCancelled holds that a delivery whose commit says that ctx ended is not counted.
func TestCommitCancelled(t *testing.T) {
	tally := open(t, path(t), Config{})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tally.Commit(ended, &Delivery{Entries: []*Entry{entry(nil)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	release, busy := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = tally.do(nil, func(*bolt.Tx, *delta) error { close(busy); <-release; return nil })
	})
	<-busy
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := tally.Commit(ctx, &Delivery{Entries: []*Entry{entry(nil)}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want context.DeadlineExceeded", err)
	}
	close(release)
	wg.Wait()
	if got := commit(t, tally, &Delivery{Entries: []*Entry{entry(nil)}}); got[0] != OutcomeCounted {
		t.Errorf("outcome %s, want counted: the commits before did not happen", got[0])
	}
}

// TestCommitAll records all deliveries in one transaction.
func TestCommitAll(t *testing.T) {
	tally := open(t, path(t), Config{})
	got, err := tally.CommitAll(context.Background(),
		&Delivery{Entries: []*Entry{unique(1), unique(2)}}, &Delivery{Source: "a", Key: "k"}, &Delivery{Entries: []*Entry{unique(1)}})
	want := [][]Result{{{OutcomeCounted, true}, {OutcomeCounted, true}}, {}, {{Outcome: OutcomeDuplicate}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("results (-want +got), %v:\n%s", err, diff)
	}
}

// TestFailedTransaction leaves everything as it was, and the next one succeeds.
func TestFailedTransaction(t *testing.T) {
	file := path(t)
	tally := open(t, file, Config{})
	commit(t, tally, &Delivery{Entries: []*Entry{unique(1)}})
	before := tally.Snapshot()
	boom := errors.New("boom")
	err := tally.do(nil, func(tx *bolt.Tx, d *delta) error {
		if _, err := tally.deliver(tx, d, &Delivery{Source: "a", Key: "k", Mark: "m", Entries: []*Entry{unique(2), hostile(1)}}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("error %v, want boom", err)
	}
	after := tally.Snapshot()
	if !errors.Is(after.Err, boom) {
		t.Errorf("Snapshot.Err is %v, want boom", after.Err)
	}
	after.Err = nil
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the failed transaction shows (-before +after):\n%s", diff)
	}
	if _, ok, _ := tally.Mark("a", "k"); ok {
		t.Error("the mark of the failed transaction is there")
	}
	if got := commit(t, tally, &Delivery{Entries: []*Entry{unique(2)}}); got[0] != OutcomeCounted {
		t.Errorf("outcome %s, want counted", got[0])
	}
	if s := tally.Snapshot(); s.Err != nil || total(s, Messages) != 20 {
		t.Errorf("%d messages, error %v", total(s, Messages), s.Err)
	}
}

// TestUncertainTransaction is in the file though it failed, as when the very
// last sync fails: the state in memory is read from the file again.
func TestUncertainTransaction(t *testing.T) {
	tally := open(t, path(t), Config{})
	d := &Delivery{Entries: []*Entry{unique(1)}}
	commit(t, tally, &Delivery{}) // the writer is idle now
	hidden := newDelta(tally.state, now)
	if err := tally.db.Update(func(tx *bolt.Tx) error {
		if _, err := tally.deliver(tx, hidden, d); err != nil {
			return err
		}
		return hidden.save(tx)
	}); err != nil {
		t.Fatal(err)
	}
	_ = tally.do(nil, func(*bolt.Tx, *delta) error { return errors.New("boom") })
	if got := commit(t, tally, d); got[0] != OutcomeDuplicate {
		t.Errorf("outcome %s, want duplicate", got[0])
	}
	if s := tally.Snapshot(); total(s, Messages) != 10 || s.Identities != 1 {
		t.Errorf("%d messages of %d reports, want 10 of 1", total(s, Messages), s.Identities)
	}
}

// TestMaxBytes stops at the bound, and goes on when it is raised.
func TestMaxBytes(t *testing.T) {
	file := path(t)
	tally := open(t, file, Config{MaxBytes: 1 << 20})
	counted := 0
	for full := false; !full; {
		d := &Delivery{}
		for range 1000 {
			d.Entries = append(d.Entries, unique(counted+len(d.Entries)))
		}
		_, err := tally.Commit(context.Background(), d)
		if err != nil {
			wantStateError(t, err, file, ErrFull, "allow it to grow")
			full = true
			continue
		}
		if counted += 1000; counted > 100_000 {
			t.Fatal("the file never fills")
		}
	}
	if got := total(tally.Snapshot(), Messages); got != int64(10*counted) {
		t.Errorf("%d messages, want %d", got, 10*counted)
	}
	if info, err := os.Stat(file); err != nil || info.Size() > 1<<20 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	shut(t, tally)
	tally = open(t, file, Config{})
	commit(t, tally, &Delivery{Entries: []*Entry{unique(0), unique(counted)}})
	if got := total(tally.Snapshot(), Messages); got != int64(10*counted+10) {
		t.Errorf("%d messages, want %d", got, 10*counted+10)
	}
}

// TestDiskFull runs itself in a process that may not write large files.
func TestDiskFull(t *testing.T) {
	const variable = "TALLY_TEST_DISK_FULL"
	if os.Getenv(variable) == "" {
		file := path(t)
		cmd := exec.Command(executable(t), "-test.run=^TestDiskFull$", "-test.v")
		cmd.Env = append(os.Environ(), variable+"="+file)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "counted after the disk was full") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	file := os.Getenv(variable)
	tally := open(t, file, Config{})
	commit(t, tally, &Delivery{Entries: []*Entry{unique(0)}})
	limit := func(n uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: ^uint64(0)}); err != nil {
			t.Skipf("setrlimit: %v", err)
		}
	}
	before := tally.Snapshot()
	limit(uint64(before.Bytes))
	d := &Delivery{}
	for i := range 2000 {
		d.Entries = append(d.Entries, unique(i))
	}
	for range 3 {
		_, err := tally.Commit(context.Background(), d)
		wantStateError(t, err, file, ErrFull, "make room on the disk")
	}
	after := tally.Snapshot()
	after.Err, after.Bytes = nil, before.Bytes // the pages of failed transactions
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the failed transactions show (-before +after):\n%s", diff)
	}
	limit(^uint64(0))
	commit(t, tally, d)
	if s := tally.Snapshot(); total(s, Messages) != 20_000 || s.Err != nil {
		t.Errorf("%d messages, want 20000; %v", total(s, Messages), s.Err)
	}
	shut(t, tally)
	if got := total(open(t, file, Config{}).Snapshot(), Messages); got != 20_000 {
		t.Errorf("%d messages after a restart, want 20000", got)
	}
	t.Log("counted after the disk was full")
}

func executable(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExpire(t *testing.T) {
	clock := now
	file := path(t)
	tally := open(t, file, Config{Horizon: 10 * 24 * time.Hour, Now: func() time.Time { return clock }})
	d := &Delivery{}
	for i := range maxExpired + 100 {
		d.Entries = append(d.Entries, unique(i))
	}
	commit(t, tally, d)
	clock = now.AddDate(0, 0, 8)
	if got := commit(t, tally, &Delivery{Entries: []*Entry{unique(0)}}); got[0] != OutcomeDuplicate {
		t.Errorf("outcome %s, want duplicate", got[0])
	}
	clock = now.AddDate(0, 0, 30)
	for _, want := range []int64{100, 0, 0} {
		if got := commit(t, tally, &Delivery{Entries: []*Entry{unique(0)}}); got[0] != OutcomeTooOld {
			t.Errorf("outcome %s, want too_old", got[0])
		}
		if got := tally.Snapshot().Identities; got != want {
			t.Errorf("%d identities are left, want %d", got, want)
		}
	}
	// The clock was wrong, or the horizon is longer now. What was forgotten
	// cannot be recognised and stays too old.
	shut(t, tally)
	tally = open(t, file, Config{})
	if got := commit(t, tally, &Delivery{Entries: []*Entry{unique(0)}}); got[0] != OutcomeTooOld {
		t.Errorf("outcome %s, want too_old", got[0])
	}
	next := unique(0)
	next.End = next.End.AddDate(0, 0, 1)
	if got := commit(t, tally, &Delivery{Entries: []*Entry{next}}); got[0] != OutcomeCounted {
		t.Errorf("outcome %s of the day after, want counted", got[0])
	}
}

func TestNotes(t *testing.T) {
	file := path(t)
	tally := open(t, file, Config{})
	commit(t, tally, &Delivery{Source: "dir:a", Key: "x", Mark: "1", Cursor: []byte("c")})
	commit(t, tally, &Delivery{Source: "dir:a", Key: "y", Mark: "2"})
	commit(t, tally, &Delivery{Source: "dir:ab", Key: "x", Mark: "3"})
	commit(t, tally, &Delivery{Source: "dir:a", Key: "empty"})
	for want := 1; want <= 2; want++ {
		for _, key := range []string{"y", "new"} {
			if got, err := tally.Attempt(context.Background(), "dir:a", key); got != want || err != nil {
				t.Errorf("attempt at %s: %d, %v, want %d", key, got, err, want)
			}
		}
	}
	if err := tally.Forget("dir:a", func(key string) bool { return key != "x" }); err != nil {
		t.Fatal(err)
	}
	shut(t, tally)
	tally = open(t, file, Config{})
	for _, tt := range []struct {
		source, key, mark string
		ok                bool
	}{
		{"dir:a", "x", "", false},
		{"dir:a", "y", "2", true},
		{"dir:ab", "x", "3", true},
		{"dir:b", "x", "", false},
		{"dir:a", "empty", "", true},
		{"dir:a", "new", "", false},
	} {
		mark, ok, err := tally.Mark(tt.source, tt.key)
		if err != nil || mark != tt.mark || ok != tt.ok {
			t.Errorf("Mark(%s, %s) = %q, %t, %v, want %q, %t", tt.source, tt.key, mark, ok, err, tt.mark, tt.ok)
		}
	}
	for _, tt := range []struct{ source, want string }{{"dir:a", "c"}, {"dir:ab", ""}} {
		if c, err := tally.Cursor(tt.source); err != nil || string(c) != tt.want {
			t.Errorf("cursor of %s: %q, %v, want %q", tt.source, c, err, tt.want)
		}
	}
	if got := tally.Snapshot().LastDelivery; len(got) != 2 || !got["dir:a"].Equal(now) {
		t.Errorf("last deliveries %v, want two, one now", got)
	}
	// A commit ends the attempts.
	commit(t, tally, &Delivery{Source: "dir:a", Key: "y", Mark: "2"})
	if got, err := tally.Attempt(context.Background(), "dir:a", "y"); got != 1 || err != nil {
		t.Errorf("attempt after a commit: %d, %v, want 1", got, err)
	}
}

// TestForgetMany goes through more marks than it holds at once.
func TestForgetMany(t *testing.T) {
	tally := open(t, path(t), Config{})
	var all []*Delivery
	for i := range 2500 {
		all = append(all, &Delivery{Source: "dir:a", Key: fmt.Sprint(i)})
	}
	if _, err := tally.CommitAll(context.Background(), all...); err != nil {
		t.Fatal(err)
	}
	seen := 0
	if err := tally.Forget("dir:a", func(key string) bool { seen++; return strings.HasSuffix(key, "7") }); err != nil {
		t.Fatal(err)
	}
	left := 0
	if err := tally.Forget("dir:a", func(string) bool { left++; return true }); err != nil {
		t.Fatal(err)
	}
	if seen != 2500 || left != 250 {
		t.Errorf("%d marks seen, %d left, want 2500 and 250", seen, left)
	}
}

// TestPeek tells what Commit would say, and changes nothing.
func TestPeek(t *testing.T) {
	for _, config := range []Config{{}, {CountConflicts: true, SkipTwins: true}} {
		tally := open(t, path(t), config)
		twin := entry(func(e *Entry) { e.ReportID = "twin" })
		conflict := entry(func(e *Entry) { e.Digest[0]++ })
		old := entry(func(e *Entry) { e.End = now.AddDate(-2, 0, 0) })
		future := entry(func(e *Entry) { e.End = now.AddDate(0, 0, 3) })
		for _, e := range []*Entry{entry(nil), entry(nil), twin, twin, conflict, conflict, old, future, failureEntry()} {
			before := tally.Snapshot()
			got, err := tally.Peek(e)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, tally.Snapshot()); diff != "" {
				t.Errorf("Peek changed the state:\n%s", diff)
			}
			want, err := tally.Commit(context.Background(), &Delivery{Entries: []*Entry{e}})
			if err != nil {
				t.Fatal(err)
			}
			if got != want[0] {
				t.Errorf("Peek says %+v, Commit %+v", got, want[0])
			}
		}
	}
}
