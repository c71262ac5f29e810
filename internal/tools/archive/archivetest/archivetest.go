// Package archivetest makes small archives of a release for tests.
package archivetest

import (
	"archive/tar"
	"compress/gzip"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Stamp is the time of every file in the archives.
var Stamp = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// Write writes the archives of version 1.2.3 for two platforms, with the files
// given by name, into a new directory and returns it.
func Write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, arch := range []string{"amd64", "arm64"} {
		name := "dmarc-suite-1.2.3.linux-" + arch
		f, err := os.Create(filepath.Join(dir, name+".tar.gz"))
		if err != nil {
			t.Fatal(err)
		}
		zip := gzip.NewWriter(f)
		w := tar.NewWriter(zip)
		for _, file := range slices.Sorted(maps.Keys(files)) {
			text := files[file]
			h := &tar.Header{Name: name + "/" + file, Mode: 0o755, Size: int64(len(text)), ModTime: Stamp, Format: tar.FormatUSTAR}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []interface{ Close() error }{w, zip, f} {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}
