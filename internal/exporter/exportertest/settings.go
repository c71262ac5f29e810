package exportertest

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// Settings holds that a program answers what the established exporter can be
// given as its table says, on the command line and in the environment. newApp
// returns a new application, to which the table was added.
func Settings(t *testing.T, table string, newApp func() (*kingpin.Application, *exporter.Flags)) {
	t.Helper()
	settings, err := exporter.ParseSettings(table)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if s.Flag != "" {
			t.Run("--"+s.Flag, func(t *testing.T) {
				answer(t, newApp, s, "--"+s.Flag, s.Example, argument(s.Flag, s.Example))
				if s.Unchanged != "" {
					accepted(t, newApp, argument(s.Flag, s.Unchanged))
				}
			})
		}
		if s.Variable != "" {
			t.Run(s.Variable, func(t *testing.T) {
				t.Setenv(s.Variable, s.Example)
				answer(t, newApp, s, "variable "+s.Variable, s.Example)
				if s.Unchanged != "" {
					t.Setenv(s.Variable, s.Unchanged)
					accepted(t, newApp)
				}
			})
		}
	}
}

// argument returns a flag with a value as it is given.
func argument(flag, value string) string {
	switch value {
	case "true":
		return "--" + flag
	case "false":
		return "--no-" + flag
	default:
		return "--" + flag + "=" + value
	}
}

// answer holds that the answer to a setting that is given in some way is that of
// the table.
func answer(t *testing.T, newApp func() (*kingpin.Application, *exporter.Flags), s exporter.Setting, what, value string, args ...string) {
	t.Helper()
	app, flags := newApp()
	var stderr, log bytes.Buffer
	_, code, ok := exporter.Parse(app, args, io.Discard, &stderr)
	flags.WarnIgnored(slog.New(slog.NewTextHandler(&log, nil)))
	switch name := strings.TrimPrefix(what, "variable "); s.Answer {
	case exporter.Stops:
		if ok || code != 2 || !strings.Contains(stderr.String(), name) || !strings.Contains(stderr.String(), s.Note) {
			t.Errorf("it does not stop: exit %d: %q", code, &stderr)
		}
	case exporter.Warns:
		if !ok || !strings.Contains(log.String(), fmt.Sprintf("setting=%q", what)) && !strings.Contains(log.String(), "setting="+what+" ") || !strings.Contains(log.String(), s.Note) {
			t.Errorf("it does not warn: exit %d: %q, log %q", code, &stderr, &log)
		}
	default:
		if !ok || log.Len() > 0 {
			t.Fatalf("it does not work: exit %d: %q, log %q", code, &stderr, &log)
		}
		holdsValue(t, app, s, value)
	}
}

// holdsValue holds that the flag which a setting sets has its value.
func holdsValue(t *testing.T, app *kingpin.Application, s exporter.Setting, value string) {
	t.Helper()
	name := s.Flag
	if s.Here != "" {
		name = s.Here
	}
	if name == "" {
		return // The exporter reads the variable itself, for which it has tests.
	}
	flag := app.GetFlag(name)
	if flag == nil {
		t.Fatalf("there is no flag --%s", name)
	}
	got := flag.Model().Value.String()
	if err := flag.Model().Value.Set(value); err != nil { // Values tell themselves in their own form: 1m0s.
		t.Fatal(err)
	}
	if want := flag.Model().Value.String(); got != want && got != value {
		t.Errorf("--%s is %q, want %q", name, got, want)
	}
}

// accepted holds that nothing is said of what happens anyway.
func accepted(t *testing.T, newApp func() (*kingpin.Application, *exporter.Flags), args ...string) {
	t.Helper()
	app, flags := newApp()
	var stderr, log bytes.Buffer
	_, code, ok := exporter.Parse(app, args, io.Discard, &stderr)
	flags.WarnIgnored(slog.New(slog.NewTextHandler(&log, nil)))
	if !ok || log.Len() > 0 {
		t.Errorf("%q is what happens anyway, but: exit %d: %q, log %q", args, code, &stderr, &log)
	}
}

// SettingsDoc compares a reference of the table, in Markdown under the title of
// the established exporter and its version, with file. With -update it writes
// the file.
func SettingsDoc(t testing.TB, table, upstream, program, file string) {
	t.Helper()
	settings, err := exporter.ParseSettings(table)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s in place of %s\n\n", program, upstream)
	fmt.Fprintf(&b, "<!-- Generated from a table of the program by `make generate`. Do not edit. -->\n\n")
	fmt.Fprintf(&b, "Every flag and every variable of the environment of %s, and what becomes of it: it *works*, or the\n", upstream)
	b.WriteString("program *stops* and says what there is instead, or it *warns* of it in the log. Nothing is ignored in silence.\n\n")
	b.WriteString("| flag | variable | here | |\n| --- | --- | --- | --- |\n")
	for _, s := range settings {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", flagCell(s), code(s.Variable), s.Answer, cell(noteOf(s)))
	}
	metrictest.File(t, b.Bytes(), file)
}

// flagCell names the flag of a setting.
func flagCell(s exporter.Setting) string {
	if s.Flag == "" {
		return ""
	}
	if s.Example == "true" || s.Example == "false" {
		return code("--[no-]" + s.Flag)
	}
	return code("--" + s.Flag)
}

// noteOf says what there is instead of a setting, or when it is accepted all the same.
func noteOf(s exporter.Setting) string {
	var parts []string
	if s.Here != "" {
		parts = append(parts, "`--"+s.Here+"`")
	}
	if s.Note != "" {
		parts = append(parts, s.Note)
	}
	if s.Unchanged != "" {
		parts = append(parts, "`"+s.Unchanged+"` is accepted")
	}
	return strings.Join(parts, "; ")
}
