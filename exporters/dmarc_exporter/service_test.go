package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// runService writes files below dir, of which config.yml is the configuration,
// and runs the service that it describes. stop ends it and waits for it.
func runService(t *testing.T, dir string, files map[string]string) (s *service, stop func()) {
	t.Helper()
	s, err := newService(t.Context(), serviceOptions(t, dir, files), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s, runOpenService(t, s)
}

// serviceOptions writes files below dir, of which config.yml is the configuration,
// and returns the flags of a service with its state there.
func serviceOptions(t *testing.T, dir string, files map[string]string) *serveOptions {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &serveOptions{countOptions: countOptions{configFile: filepath.Join(dir, "config.yml"), stateOptions: stateOptions{stateFile: filepath.Join(dir, "state.db")}}}
}

// countedMessages is how many messages of aggregate reports a service has counted.
func countedMessages(s *service) (n int64) {
	for _, series := range s.store.Snapshot().Series[tally.Messages] {
		n += series.Value
	}
	return n
}

// runOpenService runs a service. stop ends it and waits for it.
func runOpenService(t *testing.T, s *service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.run(ctx) })
	return func() {
		cancel()
		running.Wait()
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
