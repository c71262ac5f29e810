package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestReady waits for a directory that is not there yet.
func TestReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, stop := runService(t, dir, map[string]string{"config.yml": "sources: {directories: [{path: in}, {path: later}]}\n", "in/keep": ""})
	defer stop()
	want := "since the start: dir:" + filepath.Join(dir, "later") + ";"
	realtest.Eventually(t, "one of both works", func() bool {
		err := s.Readiness.Ready()
		return err != nil && strings.Contains(err.Error(), want)
	})
	if err := os.Mkdir(filepath.Join(dir, "later"), 0o700); err != nil {
		t.Fatal(err)
	}
	realtest.Eventually(t, "ready", func() bool { return s.Readiness.Ready() == nil })
}
