package main

import (
	"bytes"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestDatabase keeps the state in PostgreSQL, with the password from the environment.
func TestDatabase(t *testing.T) {
	server := realtest.Postgres(t)
	address, err := url.Parse(server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.User("postgres")
	t.Setenv("PGPASSWORD", realtest.PostgresPassword)
	dir := t.TempDir()
	report := filepath.Join(dir, "report.xml")
	if err := os.WriteFile(report, ingesttest.Report("one", 3), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(report, old, old); err != nil {
		t.Fatal(err)
	}
	apart := t.TempDir()
	writeConfig(t, apart, "domains: [example.com]\n")
	checkConnect := func(want string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := run([]string{"check-config", "--connect", "--state.database=" + address.String(), filepath.Join(apart, "config.yml")}, nil, &stdout, &stderr); code != exitOK || !strings.Contains(stdout.String(), "ok: state: "+want) {
			t.Errorf("exit code %d, %q, want %q\n%s", code, stdout.String(), want, stderr.String())
		}
	}
	checkConnect("connect to the database, in which serve will make its schema")
	options := &serving.ServeOptions{Dirs: []string{dir}, After: string(ingest.AfterKeep), Refused: "move", Rescan: time.Minute}
	options.Database = address.String()
	s, err := serving.NewService(t.Context(), options, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := runOpenService(t, s)
	realtest.Eventually(t, "counted", func() bool { return ingesttest.Sum(s.Store, tally.Messages) == 3 })
	checkConnect("open database ")
	stop()
	got := server.SQL(t, "postgres", "SELECT sum(count) FROM dmarc.dmarc_records")
	if got[0][0] != "3" {
		t.Errorf("%s messages in the records, want 3", got[0][0])
	}
	for text, args := range map[string][]string{
		"1 report counted, 1 kept with 1 record; 3 messages counted, 3 in records": {"check"},
		`"path":"dir:` + dir + `","kind":"aggregate"`:                              {"export"},
		"0 counted before and kept now, 1 with nothing missing":                    {"import", dir},
	} {
		stdout, stderr := command(t, exitOK, append(append([]string{"store"}, args...), "--state.database="+address.String())...)
		if !strings.Contains(stdout, text) {
			t.Errorf("store %s: %s%s, want %q", args[0], stdout, stderr, text)
		}
	}
	if _, err := os.Stat("dmarc_exporter.db"); err == nil {
		t.Error("there is a state file as well")
	}
}
