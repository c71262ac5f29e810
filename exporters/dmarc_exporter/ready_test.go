package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestReady waits for every source to work once, names those that have not, and
// stays ready afterwards, also when a reload brings one that does not work.
func TestReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, stop := runService(t, dir, map[string]string{"config.yml": "sources: {directories: [{path: in}, {path: later}]}\n", "in/keep": ""})
	defer stop()
	works := func(name string) bool {
		for _, source := range s.supervisor.Sources() {
			if status := source.Status(); strings.HasSuffix(status.Name, name) {
				return status.Worked
			}
		}
		return false
	}
	realtest.Eventually(t, "one of both works", func() bool { return works("/in") })
	if err := s.ready(); err == nil || !strings.Contains(err.Error(), "dir:"+filepath.Join(dir, "later")+";") {
		t.Errorf("error %v, want the directory that is not there", err)
	}
	if err := new(service).ready(); err == nil {
		t.Error("ready before the sources have started")
	}
	realtest.Eventually(t, "the source says why", func() bool {
		for _, source := range s.supervisor.Sources() {
			if strings.HasSuffix(source.Status().Name, "/later") {
				return source.Status().Err != nil
			}
		}
		return false
	})
	var log bytes.Buffer
	tellUnready(slog.New(slog.NewTextHandler(&log, nil)), s.supervisor.Sources(), time.Minute)
	if line := log.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, "/later for=1m0s err=") || !strings.Contains(line, "no such file") {
		t.Errorf("log %q", line)
	}
	if err := os.Mkdir(filepath.Join(dir, "later"), 0o700); err != nil {
		t.Fatal(err)
	}
	realtest.Eventually(t, "ready", func() bool { return s.ready() == nil })
	writeConfig(t, dir, "sources: {directories: [{path: in}, {path: nowhere}]}\n")
	if err := s.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.ready(); err != nil {
		t.Errorf("not ready after a reload: %v", err)
	}
}
