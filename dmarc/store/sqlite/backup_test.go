package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// TestBackup copies a file while reports are committed: each copy is whole, has
// at least what was acknowledged before, and counts on.
func TestBackup(t *testing.T) {
	t.Parallel()
	file := File{Path: path(t)}
	s := storetest.Open(t, file, tally.Config{})
	stop := make(chan struct{})
	var writer sync.WaitGroup
	defer writer.Wait()
	defer close(stop)
	writer.Go(func() {
		for i := 1000; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Commit(context.Background(), storetest.Of(storetest.Unique(i))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	to := filepath.Join(t.TempDir(), "a backup?.db")
	for i := range 3 {
		storetest.Commit(t, s, storetest.Of(storetest.Unique(i)))
		before := storetest.Total(s.Snapshot(), tally.Messages)
		checked, err := file.Backup(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		if checked.Counted < before {
			t.Errorf("%d messages in the copy, want at least %d", checked.Counted, before)
		}
		copied := storetest.Open(t, File{Path: to}, tally.Config{})
		if got := storetest.Total(copied.Snapshot(), tally.Messages); got != checked.Counted {
			t.Errorf("%d messages in the copy, want %d", got, checked.Counted)
		}
		if got := storetest.Commit(t, copied, storetest.Of(storetest.Unique(i)))[0]; got != tally.OutcomeDuplicate {
			t.Errorf("outcome %s in the copy, want duplicate", got)
		}
		storetest.Close(t, copied)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Dir(to) + "/*.new*"); err != nil || left != nil {
		t.Errorf("%s are left, %v", left, err)
	}
}

// TestBackupRefused leaves what is there as it is when the copy would not be whole.
func TestBackupRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := path(t), filepath.Join(dir, "backup.db")
	if err := errors.Join(os.WriteFile(from, filled(t), 0o600), os.WriteFile(to, []byte("the last one"), 0o600)); err != nil {
		t.Fatal(err)
	}
	refused := func(to, text string) {
		t.Helper()
		if _, err := (File{Path: from}).Backup(t.Context(), to); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q", err, text)
		}
	}
	refused(from, "is the state file itself: name another file")
	refused(dir, "is a directory: name a file")
	refused(filepath.Join(dir, "none", "backup.db"), "create its directory")
	alter(t, from, "UPDATE sums SET value = value + 1")
	refused(to, "the backup is not whole, and "+to+" was not written: damaged: sums: wrong checksum")
	if err := os.Remove(from); err != nil {
		t.Fatal(err)
	}
	refused(to, "name the state file that serve writes")
	if text, err := os.ReadFile(to); err != nil || string(text) != "the last one" {
		t.Errorf("the last backup holds %q, %v", text, err)
	}
	if left, err := filepath.Glob(dir + "/*.new*"); err != nil || left != nil {
		t.Errorf("%s are left, %v", left, err)
	}
}

// TestViewForeign tells what is wrong with files that cannot be read, and leaves
// them as they are.
func TestViewForeign(t *testing.T) {
	t.Parallel()
	data := filled(t)
	for name, tt := range map[string]struct {
		data            []byte
		statement, text string
		kind            error
	}{
		"version 0.1.0": {read(t, old(t, "v0.1.0.db.gz")), "", "start serve once, which brings it up to date", store.ErrVersion},
		"older":         {data, "PRAGMA user_version = 1", "start serve once, which brings it up to date", store.ErrVersion},
		"newer":         {data, "PRAGMA user_version = 99", "use the version that wrote it", store.ErrVersion},
		"another's":     {data, "PRAGMA application_id = 7", "name another file", nil},
		"empty":         {nil, "", "the file is empty", store.ErrDamaged},
		"text":          {bytes.Repeat([]byte("no database\n"), 1000), "", "it is no database", store.ErrDamaged},
		"none":          {nil, "none", "name the state file that serve writes", fs.ErrNotExist},
	} {
		file := path(t)
		if tt.statement != "none" {
			if err := os.WriteFile(file, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasPrefix(tt.statement, "PRAGMA") {
			alter(t, file, tt.statement)
		}
		before, _ := os.ReadFile(file)
		v, err := File{Path: file}.View(t.Context())
		if err == nil {
			t.Errorf("%s: no error", name)
			_ = v.Close()
			continue
		}
		wantError(t, err, file, tt.kind, tt.text)
		if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCheckTorn damages each page that holds rows: Check finds it.
func TestCheckTorn(t *testing.T) {
	t.Parallel()
	good := filled(t)
	found := 0
	// The second page is a map for the incremental vacuum.
	for at := 2 * pageSize; at < len(good); at += pageSize {
		if rows := good[at+3 : at+5]; bytes.Equal(rows, []byte{0, 0}) {
			continue
		}
		data := bytes.Clone(good)
		for i := range 40 {
			data[at+8+i] ^= 0x55
		}
		file := path(t)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		checked, err := store.Check(t.Context(), File{Path: file})
		var known *store.Error
		switch {
		case err != nil && !errors.As(err, &known):
			t.Errorf("page %d: %v", at/pageSize, err)
		case err != nil || len(checked.Problems) > 0:
			found++
		default:
			t.Errorf("page %d: nothing was found", at/pageSize)
		}
	}
	t.Logf("%d damaged pages found", found)
}
