package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// runService writes files below dir, of which config.yml is the configuration,
// and runs the service that it describes. stop ends it and waits for it.
func runService(t *testing.T, dir string, files map[string]string) (s *service, stop func()) {
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
	options := &serveOptions{countOptions: countOptions{configFile: filepath.Join(dir, "config.yml"), stateOptions: stateOptions{stateFile: filepath.Join(dir, "state.db")}}}
	s, err := newService(t.Context(), options, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s, runOpenService(t, s)
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
