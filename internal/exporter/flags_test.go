package exporter

import (
	"bytes"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name           string
		args           []string
		command        string
		code           int
		ok             bool
		stdout, stderr string
	}{
		{"default command", nil, "serve", 0, true, "", ""},
		{"command", []string{"check"}, "check", 0, true, "", ""},
		{"help", []string{"--help"}, "", 0, false, "--web.listen-address", ""},
		{"short help", []string{"-h"}, "", 0, false, "--web.listen-address", ""},
		{"help of a command", []string{"check", "--help"}, "", 0, false, "Check things.", ""},
		{"version", []string{"--version"}, "", 0, false, "test_exporter, version ", ""},
		{"unknown flag", []string{"--nope"}, "", 2, false, "", "test_exporter: unknown long flag '--nope', try --help\n"},
		{"bad value", []string{"--web.scrape-timeout=x"}, "", 2, false, "", "test_exporter: "},
		{"unexpected argument", []string{"serve", "x"}, "", 2, false, "", "test_exporter: unexpected x, try --help\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app := kingpin.New("test_exporter", "An exporter for tests.")
			AddFlags(app, ":9999")
			app.Command("serve", "Serve metrics.").Default()
			app.Command("check", "Check things.")
			var stdout, stderr bytes.Buffer
			command, code, ok := Parse(app, test.args, &stdout, &stderr)
			if command != test.command || code != test.code || ok != test.ok {
				t.Errorf("got %q, %d, %v, want %q, %d, %v", command, code, ok, test.command, test.code, test.ok)
			}
			if !strings.Contains(stdout.String(), test.stdout) || (test.stdout == "") != (stdout.Len() == 0) {
				t.Errorf("got stdout %q, want %q in it", &stdout, test.stdout)
			}
			if !strings.Contains(stderr.String(), test.stderr) || (test.stderr == "") != (stderr.Len() == 0) {
				t.Errorf("got stderr %q, want %q in it", &stderr, test.stderr)
			}
		})
	}
}

func TestParseReadsEnvironment(t *testing.T) {
	t.Setenv("TEST_EXPORTER_WEB_TELEMETRY_PATH", "/other")
	if f := testFlags(t); f.path != "/other" {
		t.Errorf("got path %q, want /other", f.path)
	}
}

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	log := testFlags(t, "--log.level=warn", "--log.format=json").Logger(&b)
	log.Info("quiet")
	log.Warn("loud")
	if s := b.String(); strings.Contains(s, "quiet") || !strings.Contains(s, `"msg":"loud"`) {
		t.Errorf("got log %q, want the warning alone, as JSON", s)
	}
}

func TestVersion(t *testing.T) {
	first, _, _ := strings.Cut(Version("test_exporter"), "\n")
	if !strings.HasPrefix(first, "test_exporter, version ") || strings.Contains(first, "version  ") {
		t.Errorf("got %q, want a version", first)
	}
}
