package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
)

// TestPlaces names the item of the file, or the source of a flag, that is wrong.
func TestPlaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, []byte("sources:\n  directories: [{path: /a}]\n  mboxes:\n  - {path: /b}\n  - {path: /c, after: move}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		options serving.ServeOptions
		want    string
	}{
		{serving.ServeOptions{CountOptions: serving.CountOptions{ConfigFile: file}, Mboxes: []string{"/d"}}, file + ": line 5: sources.mboxes[1]: mbox /c: "},
		{serving.ServeOptions{Dirs: []string{"/a", "/a"}}, "source dir:/a is given twice"},
	} {
		c, err := tt.options.Load()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Sources.Build(nil, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}

// TestCheckConfig says what is wrong, and shows no value.
func TestCheckConfig(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		text, stdout, stderr string
		code                 int
	}{
		{"sources: {directories: [{path: in}]}", "the configuration is valid\n", "", exitOK},
		{"domains: [shop.example]", "the configuration is valid\n", "there is no source of reports", exitOK},
		{"sources: {}", "", "line 1: sources: there is no source of reports", exitRefused},
		{"sources: {imap: [{adress: mail.example}]}", "", `did you mean "address"`, exitRefused},
		{"sources: {http: " + testSecret + "}", "", "sources.http", exitRefused},
	} {
		file := filepath.Join(dir, "config.yml")
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		code := run([]string{"check-config", file}, nil, &stdout, &stderr)
		if code != tt.code || stdout.String() != tt.stdout || !strings.Contains(stderr.String(), tt.stderr) || strings.Contains(stderr.String(), testSecret) {
			t.Errorf("%s: exit code %d, %q, %q", tt.text, code, stdout.String(), stderr.String())
		}
	}
}
