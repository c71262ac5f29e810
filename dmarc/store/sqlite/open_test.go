package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// tryOpen opens a file that may be bad and returns the error.
func tryOpen(path string) error {
	s, err := storetest.TryOpen(File{Path: path}, tally.Config{})
	if err != nil {
		return err
	}
	return s.Close()
}

// wantError holds an error to its kind, and its text to what helps.
func wantError(t testing.TB, err error, path string, kind error, text string) {
	t.Helper()
	var known *store.Error
	switch {
	case !errors.As(err, &known):
		t.Errorf("error %v, want a *store.Error", err)
	case kind != nil && !errors.Is(err, kind):
		t.Errorf("error %v, want one of %v", err, kind)
	case !strings.Contains(err.Error(), path), !strings.Contains(err.Error(), text):
		t.Errorf("error %q does not say %q and %q", err, path, text)
	}
}

// filled writes a state file with a hundred reports and returns its content.
func filled(t testing.TB) []byte {
	t.Helper()
	file := path(t)
	s := storetest.Open(t, File{Path: file}, tally.Config{})
	for i := range 5 {
		storetest.Commit(t, s, filling(i))
	}
	storetest.Close(t, s)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// filling is a delivery of filled.
func filling(i int) *store.Delivery {
	d := &store.Delivery{Source: "dir:a", Key: fmt.Sprint(i), Mark: "m"}
	for j := range 20 {
		d.Entries = append(d.Entries, storetest.Entry(func(e *tally.Entry) { e.ReportID = fmt.Sprint(i, j) }))
	}
	return d
}

func TestOpenDamaged(t *testing.T) {
	t.Parallel()
	good := filled(t)
	tests := []struct {
		name string
		data []byte
	}{
		{"empty", nil},
		{"a byte", []byte("x")},
		{"text", []byte(strings.Repeat("this is no state file\n", 1000))},
		{"zeros", make([]byte, len(good))},
		{"one page", good[:pageSize]},
		{"two pages", good[:2*pageSize]},
		{"half", good[:len(good)/2]},
		{"rest is zero", append(bytes.Clone(good[:2*pageSize]), make([]byte, len(good)-2*pageSize)...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := path(t)
			if err := os.WriteFile(file, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			wantError(t, tryOpen(file), file, store.ErrDamaged, "restore it from a backup, or move it away")
			after, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(after, tt.data) {
				t.Errorf("the file was changed: %d bytes, %v", len(after), err)
			}
		})
	}
}

// tears returns how often tests damage a file. STORE_TEARS makes them longer;
// make kill-test does.
func tears(t testing.TB) int { return realtest.Count(t, "STORE_TEARS", 10) }

// TestOpenTornAnywhere damages the file in hundreds of places, or flips a single
// bit: it opens with the sums it had and knows the reports that it had, or it
// is refused as damaged. It never crashes and never miscounts.
func TestOpenTornAnywhere(t *testing.T) {
	t.Parallel()
	good := filled(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	opened, went := 0, 0
	for round := range tears(t) {
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
	t.Logf("%d of %d damaged files opened, %d took reports: the damage was in free or unread pages", opened, tears(t), went)
}

// usable delivers to a file that may be damaged what it held, once more.
func usable(t *testing.T, file string) (opened, went int) {
	t.Helper()
	for range 2 { // what damage does may show only when the file is opened again
		s, err := storetest.TryOpen(File{Path: file}, tally.Config{})
		if err == nil {
			opened = 1
			if got := storetest.Total(s.Snapshot(), tally.Messages); got != 1000 {
				t.Errorf("%d messages, want 1000", got)
			}
			for i := range 5 {
				if _, err = s.Commit(context.Background(), filling(i)); err != nil {
					break
				}
			}
			if got := storetest.Total(s.Snapshot(), tally.Messages); err == nil && got != 1000 {
				t.Errorf("%d messages after all came again, want 1000", got)
			}
			_ = s.Close()
		}
		var known *store.Error
		if err != nil && !errors.As(err, &known) {
			t.Error(err)
		}
		if err != nil {
			return opened, 0
		}
	}
	return opened, 1
}

func TestOpenForeign(t *testing.T) {
	t.Parallel()
	data := filled(t)
	tests := []struct {
		name, statement string
		kind            error
		text            string
	}{
		{"newer", "PRAGMA user_version = 99", store.ErrVersion, "use the version that wrote it"},
		{"older than all", "PRAGMA user_version = 0", store.ErrVersion, "use the version that wrote it"},
		{"another program's", "PRAGMA application_id = 7", nil, "name another file"},
		{"no meta", "DELETE FROM meta", store.ErrDamaged, "restore"},
		{"no sums", "DROP TABLE sums", store.ErrDamaged, "no such table: sums"},
		{"no identities", "DROP TABLE identities", nil, ""},
		{"numbers that are texts", "UPDATE sums SET value = 'x'", store.ErrDamaged, "sums: wrong checksum"},
		{"texts that are numbers", "UPDATE domains SET policy = 7.5", store.ErrDamaged, "domains: wrong checksum"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := path(t)
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			alter(t, file, tt.statement)
			err := tryOpen(file)
			if tt.name == "no identities" { // They are read when a report asks for one.
				s := storetest.Open(t, File{Path: file}, tally.Config{})
				_, err = s.Commit(context.Background(), filling(0))
			}
			wantError(t, err, file, tt.kind, tt.text)
		})
	}
}

func TestOpenAccess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wantError(t, tryOpen(dir), dir, nil, "name a file")
	missing := filepath.Join(dir, "none", "state.db")
	wantError(t, tryOpen(missing), missing, os.ErrNotExist, "create its directory")

	inside := filepath.Join(path(t), "state.db")
	if err := os.WriteFile(filepath.Dir(inside), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, tryOpen(inside), inside, nil, "not a directory")

	locked := path(t)
	s := storetest.Open(t, File{Path: locked}, tally.Config{})
	wantError(t, tryOpen(locked), locked, store.ErrLocked, "another process uses it: stop the other process")
	storetest.Commit(t, s, filling(0))
}

// TestCreateAfterCrash starts over when a crash left a file that was not complete.
func TestCreateAfterCrash(t *testing.T) {
	t.Parallel()
	file := path(t)
	for _, suffix := range []string{".new", ".new-wal"} {
		if err := os.WriteFile(file+suffix, []byte("half of a file"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := storetest.Open(t, File{Path: file}, tally.Config{})
	storetest.Commit(t, s, filling(0))
	for _, suffix := range []string{".new", ".new-wal", ".new-shm"} {
		if _, err := os.Stat(file + suffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", suffix, err)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}

// TestCutWhileOpen cuts the open file: reading it is an error, and nothing is
// counted any more.
func TestCutWhileOpen(t *testing.T) {
	t.Parallel()
	file := path(t)
	s := storetest.Open(t, File{Path: file}, tally.Config{})
	d := &store.Delivery{}
	for i := range 5_000 {
		d.Entries = append(d.Entries, storetest.Unique(i))
	}
	storetest.Commit(t, s, d)
	alter(t, file, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err := os.Truncate(file, int64(2*pageSize)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := s.Commit(context.Background(), d)
		wantError(t, err, file, store.ErrDamaged, "restore")
	}
	if got := s.Snapshot(); got.Err == nil || storetest.Total(got, tally.Messages) != 50_000 {
		t.Errorf("%d messages, error %v", storetest.Total(got, tally.Messages), got.Err)
	}
}

// TestMaxBytes stops at the bound, and goes on when it is raised.
func TestMaxBytes(t *testing.T) {
	t.Parallel()
	const bound = 640 << 10
	file := File{Path: path(t), MaxBytes: bound}
	s := storetest.Open(t, file, tally.Config{})
	counted := 0
	long := strings.Repeat("x", 1000)
	for full := false; !full; {
		d := storetest.Of(storetest.Unique(counted))
		for range 10 { // They take more room than reports.
			d.Refused = append(d.Refused, store.Refusal{Input: long, Message: long, From: long, Subject: long})
		}
		_, err := s.Commit(context.Background(), d)
		if err != nil {
			wantError(t, err, file.Path, store.ErrFull, "allow it to grow")
			full = true
			continue
		}
		if counted++; counted > 1000 {
			t.Fatal("the file never fills")
		}
	}
	if got := storetest.Total(s.Snapshot(), tally.Messages); got != int64(10*counted) {
		t.Errorf("%d messages, want %d", got, 10*counted)
	}
	storetest.Close(t, s)
	if info, err := os.Stat(file.Path); err != nil || info.Size() > bound {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	s = storetest.Open(t, File{Path: file.Path}, tally.Config{})
	storetest.Commit(t, s, storetest.Of(storetest.Unique(0), storetest.Unique(counted)))
	if got := storetest.Total(s.Snapshot(), tally.Messages); got != int64(10*counted+10) {
		t.Errorf("%d messages, want %d", got, 10*counted+10)
	}
}
