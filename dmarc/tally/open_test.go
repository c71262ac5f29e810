package tally

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// tryOpen opens a file that may be bad and returns the error.
func tryOpen(path string) error {
	tally, err := Open(path, Config{})
	if err != nil {
		return err
	}
	return tally.Close()
}

// wantStateError holds an error to its kind, and its text to what helps.
func wantStateError(t *testing.T, err error, path string, kind error, text string) {
	t.Helper()
	var state *StateError
	switch {
	case !errors.As(err, &state):
		t.Errorf("error %v, want a *StateError", err)
	case kind != nil && !errors.Is(err, kind):
		t.Errorf("error %v, want one of %v", err, kind)
	case !strings.Contains(err.Error(), path), !strings.Contains(err.Error(), text):
		t.Errorf("error %q does not say %q and %q", err, path, text)
	}
}

// filled writes a state file with a hundred reports and returns its content.
func filled(t *testing.T) []byte {
	t.Helper()
	file := path(t)
	tally := open(t, file, Config{})
	for i := range 5 {
		commit(t, tally, filling(i))
	}
	shut(t, tally)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// filling is a delivery of filled.
func filling(i int) *Delivery {
	d := &Delivery{Source: "dir:a", Key: fmt.Sprint(i), Mark: "m", Cursor: []byte("c")}
	for j := range 20 {
		d.Entries = append(d.Entries, entry(func(e *Entry) { e.ReportID = fmt.Sprint(i, j) }))
	}
	return d
}

func TestOpenDamaged(t *testing.T) {
	good := filled(t)
	page := os.Getpagesize()
	tests := []struct {
		name string
		data []byte
	}{
		{"empty", nil},
		{"a byte", []byte("x")},
		{"text", []byte(strings.Repeat("this is no state file\n", 1000))},
		{"zeros", make([]byte, len(good))},
		{"one page", good[:page]},
		{"two pages", good[:2*page]},
		{"half", good[:len(good)/2]},
		{"rest is zero", append(bytes.Clone(good[:2*page]), make([]byte, len(good)-2*page)...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := path(t)
			if err := os.WriteFile(file, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			wantStateError(t, tryOpen(file), file, ErrDamaged, "restore it from a backup, or move it away")
			after, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(after, tt.data) {
				t.Errorf("the file was changed: %d bytes, %v", len(after), err)
			}
		})
	}
}

// TestOpenTornAnywhere damages the file in hundreds of places, or flips a single
// bit: it opens with the sums it had and knows the reports that it had, or it
// says that it is damaged. It never crashes and never miscounts.
// TALLY_TEST_TEARS sets how often.
func TestOpenTornAnywhere(t *testing.T) {
	if raceDetector {
		t.Skip("bbolt trusts the counts in its pages: the race detector ends the process at a wrong one, where otherwise its content is refused")
	}
	good := filled(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	opened, went := 0, 0
	rounds := 150
	if n, err := strconv.Atoi(os.Getenv("TALLY_TEST_TEARS")); err == nil {
		rounds = n
	}
	for round := range rounds {
		data := bytes.Clone(good)
		at := random.IntN(len(data))
		if round%2 == 0 {
			data[at] ^= 1 << random.IntN(8)
		} else {
			for i := range 1 + random.IntN(16) {
				data[min(at+i, len(data)-1)] ^= byte(1 + random.IntN(255))
			}
		}
		file := path(t)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		o, w := usable(t, file)
		if t.Failed() {
			t.Fatalf("seed %d, damage at %d", seed, at)
		}
		opened, went = opened+o, went+w
	}
	t.Logf("%d of %d damaged files opened, %d took reports: the damage was in free or unread pages", opened, rounds, went)
}

// usable delivers to a file that may be damaged what it held, once more.
func usable(t *testing.T, file string) (opened, went int) {
	t.Helper()
	for range 2 { // what damage does may show only when the file is opened again
		tally, err := Open(file, Config{Now: func() time.Time { return now }})
		if err == nil {
			opened = 1
			if got := total(tally.Snapshot(), Messages); got%200 != 0 || got > 1000 {
				t.Errorf("%d messages, want 1000 or those of an earlier transaction", got)
			}
			for i := range 5 {
				if _, err = tally.Commit(context.Background(), filling(i)); err != nil {
					break
				}
			}
			if got := total(tally.Snapshot(), Messages); err == nil && got != 1000 {
				t.Errorf("%d messages after all came again, want 1000", got)
			}
			_ = tally.Close()
		}
		var state *StateError
		if err != nil && !errors.As(err, &state) {
			t.Error(err)
		}
		if err != nil {
			return opened, 0
		}
	}
	return opened, 1
}

// alter changes the content of a state file behind its back.
func alter(t *testing.T, path string, f func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOpenForeign(t *testing.T) {
	data := filled(t)
	k := []byte(keyOf(Refusals, "io"))
	tests := []struct {
		name string
		f    func(tx *bolt.Tx) error
		kind error
		text string
	}{
		{"newer", func(tx *bolt.Tx) error {
			return tx.Bucket(bucketMeta).Put(keyMeta, []byte(`{"schema":99,"created":"2026-01-01T00:00:00Z"}`))
		}, ErrVersion, "use the version that wrote it"},
		{"another program's", func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketMeta) }, nil, "name another file"},
		{"no meta", func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyMeta) }, ErrDamaged, "restore"},
		{"older than all", func(tx *bolt.Tx) error {
			return tx.Bucket(bucketMeta).Put(keyMeta, []byte(`{"schema":0,"created":"2026-01-01T00:00:00Z"}`))
		}, ErrVersion, "use the version that wrote it"},
		{"a row that is missing", func(tx *bolt.Tx) error { return tx.Bucket(bucketSums).Delete(k) }, ErrDamaged, "sums: "},
		{"a day of identities that is missing", func(tx *bolt.Tx) error {
			k, _ := tx.Bucket(bucketKeyDays).Cursor().First()
			return tx.Bucket(bucketKeyDays).Delete(k)
		}, ErrDamaged, "keydays: 0 rows of 1"},
		{"identities that nobody counted", func(tx *bolt.Tx) error {
			k, _ := tx.Bucket(bucketKeyDays).Cursor().First()
			return tx.Bucket(bucketKeyDays).Put(k, seal(k, varints(7, 7)))
		}, ErrDamaged, "7 identities of 100"},
		{"no keys", func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketKeys) }, ErrDamaged, "it has no keys"},
		{"a sum without checksum", func(tx *bolt.Tx) error { return tx.Bucket(bucketSums).Put(k, varints(1, 2)) }, ErrDamaged, "sums: wrong checksum"},
		{"a sum that is cut", func(tx *bolt.Tx) error { return tx.Bucket(bucketSums).Put(k, seal(k, nil)) }, ErrDamaged, "sums: a number is cut"},
		{"a sum moved to another series", func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketSums)
			return b.Put(k, b.Get([]byte(keyOf(Messages, "shop.example", "none", "pass", "pass"))))
		}, ErrDamaged, "sums: wrong checksum"},
		{"a day of nothing", func(tx *bolt.Tx) error { return tx.Bucket(bucketDays).Put([]byte("abc"), seal([]byte("abc"), nil)) }, ErrDamaged, "days: a key is cut"},
		{"a domain of nothing", func(tx *bolt.Tx) error {
			return tx.Bucket(bucketDomains).Put([]byte("a"), seal([]byte("a"), []byte("{")))
		}, ErrDamaged, "domains: "},
		{"a name of no pool", func(tx *bolt.Tx) error {
			return tx.Bucket(bucketNames).Put([]byte("\x09a"), seal([]byte("\x09a"), nil))
		}, ErrDamaged, "names: "},
		{"totals without checksum", func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyTotals, varints(1, 2)) }, ErrDamaged, "totals: wrong checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := path(t)
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			alter(t, file, tt.f)
			wantStateError(t, tryOpen(file), file, tt.kind, tt.text)
		})
	}
}

func TestOpenAccess(t *testing.T) {
	dir := t.TempDir()
	wantStateError(t, tryOpen(dir), dir, nil, "name a file")
	missing := filepath.Join(dir, "none", "state.db")
	wantStateError(t, tryOpen(missing), missing, os.ErrNotExist, "create its directory")

	inside := filepath.Join(path(t), "state.db")
	if err := os.WriteFile(filepath.Dir(inside), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantStateError(t, tryOpen(inside), inside, nil, "not a directory")

	locked := path(t)
	tally := open(t, locked, Config{})
	wantStateError(t, tryOpen(locked), locked, ErrLocked, "another process uses it: stop the other process")
	commit(t, tally, &Delivery{Entries: []*Entry{entry(nil)}})
}

// TestCreateAfterCrash starts over when a crash left a file that was not complete.
func TestCreateAfterCrash(t *testing.T) {
	file := path(t)
	if err := os.WriteFile(file+".new", []byte("half of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	tally := open(t, file, Config{})
	commit(t, tally, &Delivery{Entries: []*Entry{entry(nil)}})
	if _, err := os.Stat(file + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished file is still there: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}

// TestReopen finds everything as it was.
func TestReopen(t *testing.T) {
	file := path(t)
	tally := open(t, file, Config{})
	commit(t, tally, &Delivery{Source: "dir:a", Entries: []*Entry{entry(nil), tlsEntry(), failureEntry(), hostile(1)}})
	before := tally.Snapshot()
	shut(t, tally)
	shut(t, tally) // harmless
	if _, err := tally.Commit(context.Background(), &Delivery{}); !errors.Is(err, ErrClosed) {
		t.Errorf("commit after close: %v, want ErrClosed", err)
	}
	after := open(t, file, Config{}).Snapshot()
	after.Bytes = before.Bytes // pages, freed and used
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("snapshots (-before +after):\n%s", diff)
	}
	if len(after.Generation) != 16 || !after.Created.Equal(now) || after.Identities != 4 {
		t.Errorf("generation %q, created %s, %d identities", after.Generation, after.Created, after.Identities)
	}
}

// TestCutWhileOpen cuts the mapped file: reading it is a memory fault, which
// becomes an error, and nothing is counted any more.
func TestCutWhileOpen(t *testing.T) {
	file := path(t)
	tally := open(t, file, Config{})
	d := &Delivery{}
	for i := range 5000 {
		d.Entries = append(d.Entries, entry(func(e *Entry) { e.ReportID = fmt.Sprint(i) }))
	}
	commit(t, tally, d)
	if err := os.Truncate(file, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := tally.Commit(context.Background(), d)
		wantStateError(t, err, file, ErrDamaged, "restore")
	}
	s := tally.Snapshot()
	if s.Err == nil || total(s, Messages) != 50000 {
		t.Errorf("%d messages, error %v", total(s, Messages), s.Err)
	}
	if _, _, err := tally.Mark("a", "b"); err == nil {
		t.Error("no error from the file")
	}
}
