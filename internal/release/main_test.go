package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTarballIsReproducible(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "file")
	if err := os.WriteFile(source, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	members := []member{{name: "x/file", path: source, mode: 0o644}}
	stamp := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	var archives [2][]byte
	for i := range archives {
		path := filepath.Join(dir, "a.tar.gz")
		if err := writeTarball(path, members, stamp); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		// The next round sees another modification time of the source.
		if err := os.Chtimes(source, stamp, stamp.AddDate(0, 0, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Errorf("two archives of the same content differ")
	}
	sums := filepath.Join(dir, "sha256sums.txt")
	if err := writeSums(sums, []string{filepath.Join(dir, "a.tar.gz")}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(got), "  a.tar.gz\n") || len(got) != 64+len("  a.tar.gz\n") {
		t.Errorf("sums = %q, want <64 hex digits>  a.tar.gz", got)
	}
}

// TestConfigNamesEveryMain holds .promu.yml to the mains that exist.
func TestConfigNamesEveryMain(t *testing.T) {
	root := filepath.Join("..", "..")
	c, err := loadConfig(filepath.Join(root, ".promu.yml"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, b := range c.Build.Binaries {
		named[b.Name] = true
		if _, err := os.Stat(filepath.Join(root, b.Path)); err != nil {
			t.Errorf("binary %s: %v", b.Name, err)
		}
	}
	mains, err := filepath.Glob(filepath.Join(root, "exporters", "*", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range mains {
		if name := filepath.Base(filepath.Dir(path)); !named[name] {
			t.Errorf("exporters/%s is not in .promu.yml", name)
		}
	}
	args := strings.Join(c.buildArgs(head{version: "1.2.3", revision: "abc", branch: "main"}, "./p", "out"), " ")
	if want := "version.Version=1.2.3"; !strings.Contains(args, want) || strings.Contains(args, "{{") {
		t.Errorf("build arguments %q want %q and no template left", args, want)
	}
}
