package exporter

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// testSettings has an answer of each kind, for flags, variables and both.
const testSettings = settingsHeader + `
web.telemetry-path	OLD_PATH	works	-	/m	-	-
old.level	OLD_LEVEL	works	log.level	warn	-	-
-	OLD_NAME	works	-	host=a	-	-
timeout	OLD_TIMEOUT	works	web.scrape-timeout	20s	-	the timeout of Prometheus comes first
prefix	OLD_PREFIX	stops	-	foo	pg	rename metrics in Prometheus
dump	-	stops	-	true	false	use the command check
parts	OLD_PARTS	warns	-	false	true	it is a part of the whole
-	OLD_CACHE	warns	-	/tmp	-	nothing is kept
-	OLD_SECRET	stops	-	x	-	give a file
`

// given parses args on an application with the table and returns what is said.
func given(t *testing.T, args ...string) (f *Flags, stderr, log string, ok bool) {
	t.Helper()
	app := kingpin.New("test_exporter", "An exporter for tests.")
	f = AddFlags(app, ":0")
	f.AddSettings(app, testSettings)
	var errs, logged bytes.Buffer
	_, code, ok := Parse(app, args, io.Discard, &errs)
	if !ok && code != 2 {
		t.Errorf("exit %d", code)
	}
	f.WarnIgnored(slog.New(slog.NewTextHandler(&logged, nil)))
	return f, errs.String(), logged.String(), ok
}

func TestSettingsWork(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		path string
		wait time.Duration
		warn bool
	}{
		{name: "nothing", path: "/metrics", wait: 10 * time.Second},
		{name: "flags", args: []string{"--web.telemetry-path=/a", "--old.level=warn", "--timeout=1m"}, path: "/a", wait: time.Minute, warn: true},
		{name: "variables", env: map[string]string{"OLD_PATH": "/b", "OLD_LEVEL": "warn", "OLD_TIMEOUT": "2m", "OLD_NAME": "x"}, path: "/b", wait: 2 * time.Minute, warn: true},
		{name: "our variable comes first", env: map[string]string{"OLD_PATH": "/b", "TEST_EXPORTER_WEB_TELEMETRY_PATH": "/c"}, path: "/c", wait: 10 * time.Second},
		{name: "a flag comes before a variable", env: map[string]string{"OLD_TIMEOUT": "2m"}, args: []string{"--timeout=3m"}, path: "/metrics", wait: 3 * time.Minute},
		{name: "nothing is said of what happens anyway", env: map[string]string{"OLD_PREFIX": "pg", "OLD_PARTS": "1"}, args: []string{"--no-dump"}, path: "/metrics", wait: 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			f, stderr, log, ok := given(t, tt.args...)
			if !ok || log != "" {
				t.Fatalf("ok is %t: %s%s", ok, stderr, log)
			}
			if warn := !f.Logger(io.Discard).Enabled(t.Context(), slog.LevelInfo); f.path != tt.path || f.scrapeTimeout != tt.wait || warn != tt.warn {
				t.Errorf("path %s, timeout %v, level above info %t", f.path, f.scrapeTimeout, warn)
			}
		})
	}
}

func TestSettingsStop(t *testing.T) {
	for arg, want := range map[string]string{
		"--prefix=foo":       "--prefix: rename metrics in Prometheus",
		"--dump":             "--dump: use the command check",
		"OLD_PREFIX=foo":     "variable OLD_PREFIX for --prefix: rename metrics in Prometheus",
		"OLD_SECRET=h1dden":  "variable OLD_SECRET: give a file",
		"OLD_TIMEOUT=h1dden": "variable OLD_TIMEOUT for --web.scrape-timeout: ",
	} {
		t.Run(arg, func(t *testing.T) {
			var args []string
			if name, value, _ := strings.Cut(arg, "="); strings.HasPrefix(arg, "--") {
				args = append(args, arg)
			} else {
				t.Setenv(name, value)
			}
			if _, stderr, _, ok := given(t, args...); ok || !strings.Contains(stderr, want) {
				t.Errorf("ok is %t: %q, want %q", ok, stderr, want)
			}
		})
	}
}

func TestSettingsWarn(t *testing.T) {
	t.Setenv("OLD_CACHE", "/tmp")
	_, stderr, log, ok := given(t, "--no-parts", "--no-parts")
	if !ok || strings.Count(log, "\n") != 2 ||
		!strings.Contains(log, `msg="a setting does nothing here" setting=--parts note="it is a part of the whole"`) ||
		!strings.Contains(log, `setting="variable OLD_CACHE" note="nothing is kept"`) {
		t.Errorf("ok is %t: %s\n%s", ok, stderr, log)
	}
}

func TestParseSettings(t *testing.T) {
	for table, want := range map[string]string{
		"flag\n":                           "line 1: the header",
		settingsHeader + "\na\tA\tworks\n": "line 2: 3 columns",
		settingsHeader + "\n-\t-\tworks\t-\tx\t-\t-\n":         "line 2: neither a flag nor a variable",
		settingsHeader + "\na\t-\tperhaps\t-\tx\t-\t-\n":       `line 2: unknown answer "perhaps"`,
		settingsHeader + "\na\t-\tstops\t-\tx\t-\t-\n":         "line 2: no note",
		settingsHeader + "\na\t-\tstops\tb\tx\t-\tsentence\n":  "line 2: a flag of this exporter",
		settingsHeader + "\na\t-\tworks\t-\t-\t-\t-\n":         "line 2: no example",
		strings.TrimSuffix(testSettings, "\n") + "\n\n":        "line 11: 1 columns",
		strings.Replace(testSettings, "\tworks", "\tWorks", 1): "line 2: unknown answer",
	} {
		if _, err := ParseSettings(table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", table, err, want)
		}
	}
}
