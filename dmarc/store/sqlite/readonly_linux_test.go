package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// TestReadOnlyDisk opens a file on a disk that became read-only: the error says
// so, the file is as it was, and it goes on when the disk can be written again.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, 0) })
	file := filepath.Join(disk, "state.db")
	s := storetest.Open(t, File{Path: file}, tally.Config{})
	storetest.Commit(t, s, storetest.Of(storetest.Unique(1)))
	storetest.Close(t, s)
	before := read(t, file)
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	wantError(t, tryOpen(file), file, store.ErrReadOnly, "let the user of this process write the file and its directory")
	if _, err := (File{Path: file}).Backup(t.Context(), filepath.Join(disk, "copy.db")); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("backup: error %v, want one that says read-only", err)
	}
	if got := read(t, file); string(got) != string(before) {
		t.Error("the file was changed")
	}
	remount(0)
	s = storetest.Open(t, File{Path: file}, tally.Config{})
	if got := storetest.Commit(t, s, storetest.Of(storetest.Unique(1), storetest.Unique(2))); got[0] != tally.OutcomeDuplicate || got[1] != tally.OutcomeCounted {
		t.Errorf("outcomes %v, want duplicate and counted", got)
	}
	if _, err := os.Stat(file + ".new"); err == nil {
		t.Error("half of a new file is there")
	}
	storetest.Close(t, s)
}
