package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestCompatLater names the messages that were counted before the flag was given.
func TestCompatLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log bytes.Buffer
	run := func(compat bool, report string, messages int, want string) {
		t.Helper()
		log.Reset()
		files := map[string]string{"config.yml": "sources: {directories: [{path: in}]}\n", "in/keep": ""}
		options := serviceOptions(t, dir, files)
		options.Compat = compat
		s, err := serving.NewService(t.Context(), options, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
		if err != nil {
			t.Fatal(err)
		}
		if got := log.String(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("log %q, want %q", got, want)
		}
		stop := runOpenService(t, s)
		defer stop()
		before := countedMessages(s)
		offer(t, filepath.Join(dir, "in", report), ingesttest.Report(report, messages))
		realtest.Eventually(t, "the report counted", func() bool { return countedMessages(s) == before+int64(messages) })
	}
	run(true, "1", 3, "")
	run(true, "2", 4, "")
	run(false, "3", 5, "")
	run(true, "4", 6, "messages=12 missing=5")
	run(true, "5", 7, "messages=18 missing=5")
}
