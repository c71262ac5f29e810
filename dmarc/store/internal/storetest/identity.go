package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

func testExpire(t *testing.T, w World) {
	const more, once = 100, 500 // dropped at once
	clock := Now
	s := Open(t, w.Engine, tally.Config{Horizon: 10 * 24 * time.Hour, Now: func() time.Time { return clock }})
	d := &store.Delivery{}
	for i := range once + more {
		d.Entries = append(d.Entries, Unique(i))
	}
	Commit(t, s, d)
	clock = Now.AddDate(0, 0, 8)
	if got := Commit(t, s, Of(Unique(0))); got[0] != tally.OutcomeDuplicate {
		t.Errorf("outcome %s, want duplicate", got[0])
	}
	clock = Now.AddDate(0, 0, 30)
	for _, want := range []int64{more, 0, 0} {
		if got := Commit(t, s, Of(Unique(0))); got[0] != tally.OutcomeTooOld {
			t.Errorf("outcome %s, want too_old", got[0])
		}
		if got := s.Snapshot().Identities; got != want {
			t.Errorf("%d identities are left, want %d", got, want)
		}
	}
	// The clock was wrong, or the horizon is longer now. What was forgotten
	// cannot be recognised and stays too old.
	Close(t, s)
	s = Open(t, w.Engine, tally.Config{})
	if got := Commit(t, s, Of(Unique(0))); got[0] != tally.OutcomeTooOld {
		t.Errorf("outcome %s, want too_old", got[0])
	}
	next := Unique(0)
	next.End = next.End.AddDate(0, 0, 1)
	if got := Commit(t, s, Of(next)); got[0] != tally.OutcomeCounted {
		t.Errorf("outcome %s of the day after, want counted", got[0])
	}
}

// testIdentitiesFollow keeps what days come to right through conflicts and expiry.
func testIdentitiesFollow(t *testing.T, w World) {
	clock := Now
	config := tally.Config{Horizon: 48 * time.Hour, CountConflicts: true, Now: func() time.Time { return clock }}
	s := Open(t, w.Engine, config)
	d := &store.Delivery{}
	for i := range 700 { // more than one transaction expires
		d.Entries = append(d.Entries, Unique(i))
		if i%7 == 0 {
			d.Entries = append(d.Entries, Entry(func(e *tally.Entry) { *e = *Unique(i); e.Digest[7]++ }))
		}
	}
	Commit(t, s, d)
	third := Unique(0)
	third.Digest[6]++
	if got := Commit(t, s, Of(third, Unique(7))); got[0] != tally.OutcomeConflict || got[1] != tally.OutcomeDuplicate {
		t.Errorf("outcomes %v, want a conflict and a duplicate", got)
	}
	for range 4 {
		clock = clock.Add(30 * time.Hour)
		report := func(i int) *tally.Entry {
			return Entry(func(e *tally.Entry) {
				e.ReportID, e.Begin, e.End = fmt.Sprint(clock, i), clock.Add(-25*time.Hour), clock.Add(-time.Hour)
			})
		}
		for i := range 3 {
			Commit(t, s, Of(report(i)))
		}
		Close(t, s)
		s = Open(t, w.Engine, config) // counts rows and identities, and those of a day when it is asked for
		if got := Commit(t, s, Of(report(0))); got[0] != tally.OutcomeDuplicate {
			t.Errorf("outcome %s, want duplicate", got[0])
		}
	}
	if n := s.Snapshot().Identities; n < 3 || n > 6 {
		t.Errorf("%d identities, want those of two days", n)
	}
}

// testManyTwins recognises each of more reports of one period than are looked at for twins.
func testManyTwins(t *testing.T, w World) {
	s := Open(t, w.Engine, tally.Config{SkipTwins: true})
	d := &store.Delivery{}
	for i := range 3 * tally.MaxTwins {
		d.Entries = append(d.Entries, Unique(i))
	}
	Commit(t, s, d)
	for i, got := range Commit(t, s, d) {
		if got != tally.OutcomeDuplicate {
			t.Errorf("outcome %s of report %d, want duplicate", got, i)
		}
	}
}

func testMarks(t *testing.T, w World) {
	odd := []string{"a\xff\x00b", `"quoted"`, `it's; DROP TABLE marks`, "\x00", "ünï"}
	s := Open(t, w.Engine, tally.Config{})
	Commit(t, s, &store.Delivery{Source: "dir:a", Key: "x", Mark: "1"})
	Commit(t, s, &store.Delivery{Source: "dir:a", Key: "y", Mark: "2"})
	Commit(t, s, &store.Delivery{Source: "dir:ab", Key: "x", Mark: "3"})
	Commit(t, s, &store.Delivery{Source: "dir:a", Key: "empty"})
	for _, key := range odd {
		Commit(t, s, &store.Delivery{Source: "odd", Key: key, Mark: key + "\x00"})
	}
	Commit(t, s, &store.Delivery{Source: "dir:a", Key: "y", Mark: "4"})
	if err := s.Forget(context.Background(), "dir:a", func(key string) bool { return key != "x" }); err != nil {
		t.Fatal(err)
	}
	Close(t, s)
	s = Open(t, w.Engine, tally.Config{})
	for _, tt := range []struct {
		source, key, mark string
		ok                bool
	}{
		{"dir:a", "x", "", false}, {"dir:a", "y", "4", true}, {"dir:ab", "x", "3", true}, {"dir:b", "x", "", false}, {"dir:a", "empty", "", true},
	} {
		if mark, ok := Mark(t, s, tt.source, tt.key); mark != tt.mark || ok != tt.ok {
			t.Errorf("mark of %s, %s: %q, %t, want %q, %t", tt.source, tt.key, mark, ok, tt.mark, tt.ok)
		}
	}
	marks, err := s.Marks(context.Background(), "odd", odd...)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range odd {
		if marks[key] != key+"\x00" {
			t.Errorf("mark of %q is %q", key, marks[key])
		}
	}
	var seen []string
	if err := s.Forget(context.Background(), "odd", func(key string) bool { seen = append(seen, key); return true }); err != nil || len(seen) != len(odd) {
		t.Errorf("%q seen, %v, want all of %q", seen, err, odd)
	}
	if got := s.Snapshot().LastDelivery; len(got) != 3 || !got["dir:a"].Equal(Now) {
		t.Errorf("last deliveries %v, want three, one now", got)
	}
}

// testManyMarks goes through more marks than it holds at once.
func testManyMarks(t *testing.T, w World) {
	s := Open(t, w.Engine, tally.Config{})
	var all []*store.Delivery
	var keys []string
	for i := range 2500 {
		keys = append(keys, fmt.Sprint(i))
		all = append(all, &store.Delivery{Source: "dir:a", Key: keys[i]})
	}
	if _, err := s.CommitAll(context.Background(), all...); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := s.Forget(context.Background(), "dir:a", func(key string) bool { seen++; return strings.HasSuffix(key, "7") })
	if err != nil {
		t.Fatal(err)
	}
	marks, err := s.Marks(context.Background(), "dir:a", keys...)
	if seen != 2500 || len(marks) != 250 || err != nil {
		t.Errorf("%d marks seen, %d left, want 2500 and 250; %v", seen, len(marks), err)
	}
}

// testPeek tells what Commit would answer, and changes nothing.
func testPeek(t *testing.T, w World) {
	s := Open(t, w.Engine, tally.Config{CountConflicts: true, SkipTwins: true})
	twin := Entry(func(e *tally.Entry) { e.ReportID = "twin" })
	conflict := Entry(func(e *tally.Entry) { e.Digest[0]++ })
	old := Entry(func(e *tally.Entry) { e.End = Now.AddDate(-2, 0, 0) })
	for _, e := range []*tally.Entry{Entry(nil), Entry(nil), twin, twin, conflict, conflict, old} {
		before := s.Snapshot()
		got, err := s.Peek(context.Background(), e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, s.Snapshot()); diff != "" {
			t.Errorf("Peek changed the state:\n%s", diff)
		}
		want, err := s.Commit(context.Background(), Of(e))
		if err != nil {
			t.Fatal(err)
		}
		if got != want[0] {
			t.Errorf("Peek answers %+v, Commit %+v", got, want[0])
		}
	}
}

// fill commits a hundred reports.
func fill(t testing.TB, w World) *store.Delivery {
	t.Helper()
	s := Open(t, w.Engine, tally.Config{})
	d := &store.Delivery{Source: "dir:a", Key: "k", Mark: "m"}
	for i := range 100 {
		d.Entries = append(d.Entries, Unique(i))
	}
	Commit(t, s, d)
	Close(t, s)
	return d
}

// wantError holds an error to its kind, and its text to what helps.
func wantError(t testing.TB, err, kind error, text string) {
	t.Helper()
	var known *store.Error
	switch {
	case !errors.As(err, &known):
		t.Errorf("error %v, want a *store.Error", err)
	case kind != nil && !errors.Is(err, kind):
		t.Errorf("error %v, want one of %v", err, kind)
	case !strings.Contains(err.Error(), text):
		t.Errorf("error %q does not say %q", err, text)
	}
}

// testAltered changes rows: the database is damaged, and says where.
func testAltered(t *testing.T, w World) {
	fill(t, w)
	for _, tt := range []struct {
		statement, undo string
		text            string
	}{
		{"UPDATE sums SET value = value + 1 WHERE family = 'messages'", "UPDATE sums SET value = value - 1 WHERE family = 'messages'", "sums: wrong checksum"},
		{"UPDATE sums SET created = created + 1 WHERE family = 'messages'", "UPDATE sums SET created = created - 1 WHERE family = 'messages'", "sums: wrong checksum"},
		{"UPDATE sums SET guard = guard + 1 WHERE family = 'messages'", "UPDATE sums SET guard = guard - 1 WHERE family = 'messages'", "sums: wrong checksum"},
		{"UPDATE sums SET family = 'x' WHERE family = 'messages'", "UPDATE sums SET family = 'messages' WHERE family = 'x'", "sums: wrong checksum"},
		{"UPDATE days SET day = day + 1", "UPDATE days SET day = day - 1", "days: wrong checksum"},
		{"UPDATE days SET messages = -messages", "UPDATE days SET messages = -messages", "days: wrong checksum"},
		{"UPDATE domains SET policy = policy || ' '", "UPDATE domains SET policy = rtrim(policy)", "domains: wrong checksum"},
		{"UPDATE names SET pool = 'x' || pool", "UPDATE names SET pool = substr(pool, 2)", "names: wrong checksum"},
		{"UPDATE sources SET last_delivery = 0", "", "sources: wrong checksum"},
		{"DELETE FROM sources", "", "sources: 0 rows of 1"},
		{"DELETE FROM totals WHERE name = 'sources'", "", "totals: no sources"},
	} {
		w.Alter(t, tt.statement)
		s, err := TryOpen(w.Engine, tally.Config{})
		if err == nil {
			Close(t, s)
		}
		wantError(t, err, store.ErrDamaged, tt.text)
		if tt.undo != "" {
			w.Alter(t, tt.undo)
			Close(t, Open(t, w.Engine, tally.Config{}))
		}
	}
	w.Alter(t, "DELETE FROM totals WHERE name = 'expired'")
	_, err := TryOpen(w.Engine, tally.Config{})
	wantError(t, err, store.ErrDamaged, "restore it from a backup, or move it away")
}

// testAlteredIdentities changes single identities: whoever asks for a report of
// that day learns that the database is damaged, and nothing is counted twice.
func testAlteredIdentities(t *testing.T, w World) {
	d := fill(t, w)
	const first = "(SELECT key FROM identities ORDER BY key LIMIT 1)"
	for _, statement := range []string{
		"CREATE TABLE one AS SELECT * FROM identities WHERE key = " + first,
		"DELETE FROM identities WHERE key = " + first,
	} {
		w.Alter(t, statement)
	}
	s := Open(t, w.Engine, tally.Config{})
	for range 2 {
		_, err := s.Commit(context.Background(), d)
		wantError(t, err, store.ErrDamaged, "identities of day")
	}
	if got := Total(s.Snapshot(), tally.Messages); got != 1000 {
		t.Errorf("%d messages, want 1000", got)
	}
	Close(t, s)
	w.Alter(t, "INSERT INTO identities SELECT * FROM one")
	s = Open(t, w.Engine, tally.Config{})
	for _, outcome := range Commit(t, s, d) {
		if outcome != tally.OutcomeDuplicate {
			t.Fatalf("outcome %s, want duplicate", outcome)
		}
	}
	Close(t, s)
	w.Alter(t, "UPDATE identities SET digests = (SELECT digests FROM identities ORDER BY key DESC LIMIT 1) WHERE key = "+first)
	s = Open(t, w.Engine, tally.Config{})
	_, err := s.Commit(context.Background(), d)
	wantError(t, err, store.ErrDamaged, "identities of day")
}
