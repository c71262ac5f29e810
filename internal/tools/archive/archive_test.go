package archive_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive"
)

// TestAddSums keeps the sums of others, and one of each file.
func TestAddSums(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := strings.Repeat("0", 64) + "  other.tar.gz\n"
	list := write("sha256sums.txt", other+strings.Repeat("1", 64)+"  a.deb\n")
	file := write("a.deb", "abc")
	for range 2 {
		if err := archive.AddSums(dir, []string{file}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if want := other + "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.deb\n"; string(got) != want {
		t.Errorf("sums\n%s, want\n%s", got, want)
	}
	if err := archive.AddSums(dir, []string{filepath.Join(dir, "missing")}); err == nil {
		t.Error("a file that is not there has a sum")
	}
}
