package exporter

import (
	"bytes"
	"strings"
	"testing"
	"time"

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
		{"unknown flag", []string{"--nope"}, "", 2, false, "", "test_exporter: unknown flag --nope, try --help\n"},
		{"mistyped flag", []string{"--web.listen-adress=:1"}, "", 2, false, "", "test_exporter: unknown flag --web.listen-adress, did you mean --web.listen-address?, try --help\n"},
		{"flag of another command", []string{"serve", "--strict"}, "", 2, false, "", "test_exporter: --strict is a flag of check, try --help\n"},
		{"mistyped command", []string{"chekc"}, "", 2, false, "", "test_exporter: unknown command chekc, did you mean check?, try --help\n"},
		{"command below", []string{"keep", "it"}, "keep it", 0, true, "", ""},
		{"mistyped command below", []string{"keep", "ti"}, "", 2, false, "", "test_exporter: unknown command keep ti, did you mean keep it?, try --help\n"},
		{"half a command", []string{"keep"}, "", 2, false, "", "test_exporter: keep needs a word more: keep it, keep them, try --help\n"},
		{"mistyped flag below", []string{"keep", "it", "--depht=3"}, "", 2, false, "", "test_exporter: unknown flag --depht, did you mean --depth?, try --help\n"},
		{"flag of a command below", []string{"check", "--depth=3"}, "", 2, false, "", "test_exporter: --depth is a flag of keep it, try --help\n"},
		{"bad value", []string{"--web.scrape-timeout=x"}, "", 2, false, "", `test_exporter: --web.scrape-timeout: invalid duration "x"; a duration has a unit`},
		{"no unit", []string{"--web.scrape-timeout=30"}, "", 2, false, "", `test_exporter: --web.scrape-timeout: missing unit in duration "30"; a duration has a unit, such as 30s`},
		{"unexpected argument", []string{"serve", "x"}, "", 2, false, "", "test_exporter: unknown command or unexpected argument x; the commands are serve, check, keep, try --help\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app := kingpin.New("test_exporter", "An exporter for tests.")
			AddFlags(app, ":9999")
			app.Command("serve", "Serve metrics.").Default()
			app.Command("check", "Check things.").Flag("strict", "Find more.").Bool()
			keep := app.Command("keep", "Keep things.")
			keep.Command("it", "Keep one.").Flag("depth", "How deep.").Int()
			keep.Command("them", "Keep all.")
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

// TestVariables holds that flags of commands have variables of their own, and
// that a wrong value in one is told by its name.
func TestVariables(t *testing.T) {
	t.Setenv("TEST_EXPORTER_ONE_FORMAT", "csv")
	t.Setenv("TEST_EXPORTER_FORMAT", "xml")
	newApp := func() (app *kingpin.Application, one, two, serve *string) {
		app = kingpin.New("test_exporter", "An exporter for tests.")
		AddFlags(app, ":9999")
		serve = app.Command("serve", "Serve metrics.").Default().Flag("format", "").String()
		one = app.Command("one", "").Flag("format", "").Default("json").Enum("json", "csv")
		two = app.Command("two", "").Flag("format", "").Default("text").Enum("text")
		return app, one, two, serve
	}
	app, one, _, _ := newApp()
	var out bytes.Buffer
	if _, _, ok := Parse(app, []string{"one"}, &out, &out); !ok || *one != "csv" {
		t.Errorf("format of one is %q, want csv: %s", *one, &out)
	}
	app, _, two, _ := newApp()
	if _, _, ok := Parse(app, []string{"two"}, &out, &out); !ok || *two != "text" {
		t.Errorf("format of two is %q, want text: %s", *two, &out)
	}
	app, _, _, serve := newApp()
	if _, _, ok := Parse(app, nil, &out, &out); !ok || *serve != "xml" {
		t.Errorf("format of serve is %q, want xml: %s", *serve, &out)
	}
	t.Setenv("TEST_EXPORTER_TWO_FORMAT", "csv")
	app, _, _, _ = newApp()
	if _, code, _ := Parse(app, []string{"two"}, &out, &out); code != 2 || !strings.Contains(out.String(), "variable TEST_EXPORTER_TWO_FORMAT for --format: enum value must be one of text") {
		t.Errorf("exit code %d, output %q, want one that names the variable", code, &out)
	}
}

// TestHelpOfCommand holds that the flags of a command come before those of all.
func TestHelpOfCommand(t *testing.T) {
	app := kingpin.New("test_exporter", "An exporter for tests.")
	AddFlags(app, ":9999")
	app.Command("serve", "Serve metrics.").Default()
	check := app.Command("check", "Check things.")
	check.Flag("strict", "Find more.").Bool()
	check.Arg("path", "Files.").Required().Strings()
	var out bytes.Buffer
	Parse(app, []string{"check", "--help"}, &out, &out)
	rest := out.String()
	for _, want := range []string{"usage: test_exporter check", "<path>...", "\n\nCheck things.\n\nArguments:\n", "<path>", "\nFlags:\n", "--[no-]strict", "\nFlags of all commands:\n", "--web.listen-address"} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("%q is not in its place in\n%s", want, &out)
		}
		rest = after
	}
}

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	log := testFlags(t, "--log.level=warn", "--log.format=json").Logger(&b)
	log.Info("quiet")
	log.Warn("loud", "source", "dir:reports", "took", time.Second)
	if s := b.String(); strings.Contains(s, "quiet") || !strings.Contains(s, `"msg":"loud","source":"dir:reports","took":"1s"}`) {
		t.Errorf("got log %q, want the warning alone, as JSON", s)
	}
	b.Reset()
	testFlags(t).Logger(&b).Info("text", "source", "dir:reports")
	if s := b.String(); !strings.HasSuffix(s, " level=INFO msg=text source=dir:reports\n") {
		t.Errorf("got log %q, want the source of the reports alone", s)
	}
}

func TestVersion(t *testing.T) {
	text := Version("test_exporter")
	first, rest, _ := strings.Cut(text, "\n")
	if !strings.HasPrefix(first, "test_exporter, version ") || strings.Contains(first, "version  ") || strings.Contains(first, "branch: ,") {
		t.Errorf("got %q, want a version", first)
	}
	for line := range strings.Lines(rest) {
		if _, value, ok := strings.Cut(line, ":"); !ok || strings.TrimSpace(value) == "" {
			t.Errorf("got the line %q, want none without a value", line)
		}
	}
}
