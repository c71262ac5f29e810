package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestOddFiles reads the honest files beside those that no source should touch:
// a sparse one of 4 TiB, pipes, devices, links to both and to nothing. A file that
// comes later is read as well, and SIGTERM ends the exporter at once.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	for _, follow := range []bool{false, true} {
		t.Run(fmt.Sprintf("follow links %t", follow), func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			dir, maildir := filepath.Join(root, "in"), filepath.Join(root, "maildir")
			for _, path := range []string{dir, filepath.Join(maildir, "new"), filepath.Join(maildir, "cur"), filepath.Join(maildir, "tmp")} {
				if err := os.MkdirAll(path, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, place := range []string{dir, filepath.Join(maildir, "new"), filepath.Join(maildir, "cur")} {
				oddFiles(t, place)
			}
			offer(t, filepath.Join(dir, "m-honest.xml"), ingesttest.Report("dir", 1))
			offer(t, filepath.Join(maildir, "new", "m-honest"), letter(t, "1", ingesttest.Report("maildir", 2), true))
			args := []string{"serve", "--source.dir=" + dir, "--source.maildir=" + maildir, "--source.after=move", "--source.rescan=200ms", "--state.file=" + filepath.Join(root, "state.db")}
			for _, name := range []string{"pipe", "sparse", "link-to-pipe"} {
				args = append(args, "--source.mbox="+filepath.Join(dir, "a-"+name))
			}
			address := realtest.FreeAddress(t)
			args = append(args, "--web.listen-address="+address)
			if follow {
				args = append(args, "--source.follow-links")
			}
			process := realtest.Start(t, exec.Command(realtest.Linked(t, "dmarc_exporter"), args...))
			messages := func() (n float64) {
				for name, value := range scrape(t, address) {
					if strings.HasPrefix(name, "dmarc_messages_total{") {
						n += value
					}
				}
				return n
			}
			realtest.Eventually(t, "the honest ones counted", func() bool { return messages() == 3 })
			offer(t, filepath.Join(dir, "z-late.xml"), ingesttest.Report("late", 4))
			realtest.Eventually(t, "a late one counted", func() bool { return messages() == 7 })
			process.Stop()
			if code := process.ExitCode(); code != exitOK {
				t.Errorf("exit code %d at SIGTERM:\n%s", code, process.Output())
			}
			for _, name := range []string{"a-pipe", "a-link-to-nothing", "a-link-to-zero"} {
				if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
					t.Errorf("%s was touched: %v", name, err)
				}
			}
		})
	}
}

// oddFiles makes files that sources must survive.
func oddFiles(t *testing.T, dir string) {
	t.Helper()
	sparse, err := os.Create(filepath.Join(dir, "a-sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer sparse.Close()
	if err := sparse.Truncate(4 << 40); err != nil {
		t.Skipf("the file system has no such files: %v", err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "a-pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"pipe": filepath.Join(dir, "a-pipe"), "zero": "/dev/zero", "nothing": filepath.Join(dir, "nothing"), "itself": filepath.Join(dir, "a-link-to-itself"), "folder": "/"} {
		if err := os.Symlink(target, filepath.Join(dir, "a-link-to-"+name)); err != nil {
			t.Fatal(err)
		}
	}
}

// offer puts a file in place at once, which nobody writes any more.
func offer(t *testing.T, path string, content []byte) {
	t.Helper()
	hidden := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	old := time.Now().Add(-time.Hour)
	if err := os.WriteFile(hidden, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(hidden, old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, path); err != nil {
		t.Fatal(err)
	}
}
