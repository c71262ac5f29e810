package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

func TestMissing(t *testing.T) {
	has := map[string]bool{"postgres": true, "redis-server": true, "redis-cli": true, "nginx": true, "prometheus-alertmanager": true}
	err := missing(func(program string) bool { return has[program] })
	if err == nil || !strings.Contains(err.Error(), "not installed: initdb, prometheus\n") ||
		!strings.Contains(err.Error(), "apt-get install --no-install-recommends postgresql-15 prometheus\n") {
		t.Errorf("got %v", err)
	}
	if err := missing(func(string) bool { return true }); err != nil {
		t.Error(err)
	}
	if !installed("sh") || installed("no-such-program") {
		t.Error("installed does not tell what is here")
	}
}

// TestHost holds that a failure ends the demo with its reason, and that
// clean-ups run, the latest first.
func TestHost(t *testing.T) {
	var order []string
	var dir string
	err := func() (err error) {
		h := &host{}
		defer h.close()
		defer h.recover(&err)
		h.Cleanup(func() { order = append(order, "first") })
		h.Cleanup(func() { order = append(order, "second") })
		dir = h.TempDir()
		h.Fatalf("port %d is taken", 80)
		return errors.New("not reached")
	}()
	if err == nil || err.Error() != "port 80 is taken" {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"second", "first"}, order); diff != "" {
		t.Errorf("clean-ups (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is left behind: %v", err)
	}
}

// TestExpressions holds that all variables of the dashboards are replaced, and
// that each exception is of a panel that there is.
func TestExpressions(t *testing.T) {
	all, err := expressions("../../dashboards")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 300 {
		t.Errorf("%d expressions, want all of eleven dashboards", len(all))
	}
	variable := regexp.MustCompile(`\$\{?[a-z_]`) // A $ alone is the end of a regular expression.
	used := map[string]bool{}
	for _, e := range all {
		if variable.MatchString(e.text) {
			t.Errorf("%s has a variable left: %s", e.where, e.text)
		}
		for _, x := range exceptions {
			used[x.where] = used[x.where] || strings.HasPrefix(e.where, x.where+" ")
		}
	}
	for _, x := range exceptions {
		if !used[x.where] {
			t.Errorf("the exception %s is of no panel", x.where)
		}
	}
	if len(exceptions)*50 > len(all) {
		t.Errorf("%d exceptions of %d expressions are more than 2 %%", len(exceptions), len(all))
	}
}

func TestCompare(t *testing.T) {
	firing := map[string]bool{watchdog: true, "NodeCPUHigh": true, "SLOBudgetBurn1h of latency": true, "PostgresDown": true}
	got := compare(firing, []string{watchdog, "RedisDown"})
	if diff := cmp.Diff([]string{"PostgresDown fires", "RedisDown does not fire"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFaults holds that faults expect alerts that there are.
func TestFaults(t *testing.T) {
	files, err := os.ReadFile("../../rules/prometheusrule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		for _, name := range f.alerts {
			name, _, _ := strings.Cut(name, " of ")
			if !bytes.Contains(files, []byte("- alert: "+name+"\n")) {
				t.Errorf("%s: there is no alert %s", f.name, name)
			}
		}
	}
}

// TestReports holds that what the demo writes are reports.
func TestReports(t *testing.T) {
	t.Chdir("../..")
	h := &host{}
	defer h.close()
	dir := filepath.Join(h.TempDir(), "spool")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := newReports(h, dir, 5)
	r.move(t.Context())
	before := len(files(t, samples))
	var written int
	for _, file := range files(t, r.dir) {
		if strings.Contains(file, "damaged") {
			continue
		}
		content, err := os.ReadFile(r.dir + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		err = unpack.Walk(bytes.NewReader(content), unpack.Limits{}, func(d *unpack.Document) error { written++; return d.Err })
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if want := before - 1 + 30*len(senders) + 2*5 + 2; written < want {
		t.Errorf("%d reports, want at least %d", written, want)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestApplication holds that the stand-in exposes what the original does.
func TestApplication(t *testing.T) {
	registry := prometheus.NewRegistry()
	a := newApplication(registry)
	a.move(t.Context())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range families {
		got[f.GetName()] = true
	}
	for _, name := range []string{
		"db_connections_active", "db_connections_idle", "dmarc_reports_processed_total", "dmarc_records_ingested_total",
		"dmarc_emails_fetched_total", "alerts_triggered_total", "alerts_active", "cache_hits_total", "cache_misses_total",
		"celery_tasks_total", "celery_task_duration_seconds", "celery_queue_length",
	} {
		if !got[name] {
			t.Errorf("no %s", name)
		}
	}
}

func TestConfigurations(t *testing.T) {
	t.Chdir("../..")
	h := &host{}
	if text := hurry(h, queries); regexp.MustCompile(`(?m)^  interval: (.*[^3]s|.*m)$`).MatchString(text) || !strings.Contains(text, "  interval: 3s\n") {
		t.Error("the demo has queries that it would have to wait for")
	}
	if format := logFormat(h); !strings.Contains(format, "log_format prometheus ") {
		t.Errorf("the log format is %q", format)
	}
	config := prometheusConfig("/rules", []target{{job: "redis-exporter", address: "127.0.0.1:1"}, {job: "redis-exporter", address: "127.0.0.1:1", name: "host01.example:9100"}}, "127.0.0.1:2")
	if !strings.Contains(config, "  - job_name: redis-exporter\n    static_configs:\n      - {targets: [\"127.0.0.1:1\"]}\n      - {targets: [\"127.0.0.1:1\"], labels: {instance: \"host01.example:9100\"}}\n") {
		t.Error(config)
	}
}

// TestHistory holds that what is made up of budgets is what rules record: of every
// objective, in the order that Prometheus wants, and less with time.
func TestHistory(t *testing.T) {
	h := &host{}
	defer h.close()
	dir := h.TempDir()
	rules := "- expr: 0.995 + 0 * slo:events:rate5m{slo=\"availability\"}\n- expr: '0.95 + 0 * slo:events:rate5m{slo=\"latency-reads\"}'\n"
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	all := objectives(h, dir)
	if want := []objective{{"availability", 0.995}, {"latency-reads", 0.95}}; !slices.Equal(all, want) {
		t.Fatalf("objectives %v, want %v", all, want)
	}
	path := filepath.Join(dir, "history.txt")
	now := time.Date(2026, 11, 30, 12, 2, 0, 0, time.UTC)
	if err := writeHistory(path, all, now); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(read(h, path)), "\n")
	if end := len(lines) - 1; lines[end] != "# EOF" {
		t.Errorf("the last line is %q", lines[end])
	}
	type point struct {
		value float64
		at    int64
	}
	last, series := map[string]point{}, map[string]int{}
	for _, line := range lines[:len(lines)-1] {
		fields := strings.Fields(line)
		value, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		at, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		before, again := last[fields[0]]
		if again && at <= before.at || at > now.Unix() {
			t.Fatalf("%q after %d, and before %d", line, before.at, now.Unix())
		}
		if again && strings.HasPrefix(line, "slo:error_budget") && value > before.value {
			t.Fatalf("%q: a budget grows from %g", line, before.value)
		}
		last[fields[0]], series[fields[0]] = point{value, at}, series[fields[0]]+1
	}
	if len(series) != 14 || series[`slo:errors:rate5m{slo="latency-reads",suite="dmarc-suite"}`] != 8640 {
		t.Errorf("series %v", series)
	}
}
