package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"

	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
)

// runService writes files below dir, of which config.yml is the configuration,
// and runs the service that it describes. stop ends it and waits for it.
func runService(t *testing.T, dir string, files map[string]string) (s *serving.Service, stop func()) {
	t.Helper()
	s, err := serving.NewService(t.Context(), serviceOptions(t, dir, files), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s, runOpenService(t, s)
}

// serviceOptions writes files below dir, of which config.yml is the configuration,
// and returns the flags of a service with its state there.
func serviceOptions(t *testing.T, dir string, files map[string]string) *serving.ServeOptions {
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
	return &serving.ServeOptions{CountOptions: serving.CountOptions{ConfigFile: filepath.Join(dir, "config.yml"), StateOptions: serving.StateOptions{StateFile: filepath.Join(dir, "state.db")}}}
}

// countedMessages is how many messages of aggregate reports a service has counted.
func countedMessages(s *serving.Service) (n int64) {
	for _, series := range s.Store.Snapshot().Series[tally.Messages] {
		n += series.Value
	}
	return n
}

// runOpenService runs a service. stop ends it and waits for it.
func runOpenService(t *testing.T, s *serving.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
