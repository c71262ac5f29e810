package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// nullMain serves what client_golang serves by default: the yardstick.
func nullMain() {
	http.Handle("/metrics", promhttp.Handler())
	if err := http.ListenAndServe(os.Args[1], nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// exporterProcess runs this test binary as the program called command, or the
// stripped one that EXPORTER_BIN names: that has the size of the real thing.
func exporterProcess(b testing.TB, command string, env []string, args ...string) *realtest.Process {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	link := filepath.Join(b.TempDir(), command)
	if err := os.Symlink(self, link); err != nil {
		b.Fatal(err)
	}
	if real := os.Getenv("EXPORTER_BIN"); real != "" && command == name {
		link = real
	}
	cmd := exec.Command(link, args...)
	cmd.Env = append(os.Environ(), env...)
	return realtest.Start(b, cmd)
}

// cpu returns the processor time a process has used.
func cpu(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	var ticks int
	for _, f := range fields[11:13] { // user and system time
		n, err := strconv.Atoi(string(f))
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// resident returns the memory of a process in MB, now or at its peak.
func resident(b *testing.B, pid int, key string) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kb) / 1024
		}
	}
	b.Fatalf("no %s", key)
	return 0
}

// BenchmarkScrape compares the processor time of a scrape with that of a bare
// client_golang handler (null). Run it with -benchtime=2000x or more: time is
// counted in hundredths of a second.
func BenchmarkScrape(b *testing.B) {
	server := realtest.Postgres(b)
	server.CreateDatabase(b, "dmarc", readSchema(b))
	server.SQL(b, "dmarc", packRows)
	everyScrape := filepath.Join(b.TempDir(), "seven.yaml")
	if err := os.WriteFile(everyScrape, []byte(sevenQueries), 0o600); err != nil {
		b.Fatal(err)
	}
	hundredThousand := filepath.Join(b.TempDir(), "rows.yaml")
	if err := os.WriteFile(hundredThousand, []byte("rows: {query: \"SELECT i::text AS i, i AS n FROM generate_series(1, 100000) AS i\", metrics: [{i: {usage: LABEL}}, {n: {usage: GAUGE}}]}"), 0o600); err != nil {
		b.Fatal(err)
	}
	env := []string{"DATA_SOURCE_NAME=" + server.DSN("dmarc")}
	tests := []struct {
		name string
		args []string
	}{
		{"null", nil},
		{"none", []string{"--disable-default-metrics", "--no-queries.dmarc"}},
		{"seven", []string{"--disable-default-metrics", "--no-queries.dmarc", "--extend.query-path=" + everyScrape}},
		{"core", []string{"--no-queries.dmarc"}},
		{"core-settings", []string{"--no-queries.dmarc", "--disable-settings-metrics"}},
		{"dmarc", []string{"--disable-default-metrics"}},
		{"rows", []string{"--disable-default-metrics", "--no-queries.dmarc", "--extend.query-path=" + hundredThousand}},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			addr := fmt.Sprintf("127.0.0.1:%d", realtest.FreePort(b))
			command, args := name, append(tt.args, "--web.listen-address="+addr)
			if tt.name == "null" {
				command, args = "null", []string{addr}
			}
			began := time.Now()
			p := exporterProcess(b, command, env, args...)
			p.WaitFor(b, func() error { return scrape("http://" + addr + "/metrics") })
			cold := time.Since(began)
			for range 20 {
				if err := scrape("http://" + addr + "/metrics"); err != nil {
					b.Fatal(err)
				}
			}
			before := cpu(b, p.Pid())
			for b.Loop() {
				if err := scrape("http://" + addr + "/metrics"); err != nil {
					b.Fatal(err)
				}
			}
			used := cpu(b, p.Pid()) - before
			b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(cold.Milliseconds()), "cold-ms")
			b.ReportMetric(resident(b, p.Pid(), "VmRSS"), "rss-MB")
			b.ReportMetric(resident(b, p.Pid(), "VmHWM"), "peak-MB")
		})
	}
}

func scrape(url string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

// sevenQueries are the size of a usual query file, all run in each scrape.
const sevenQueries = `
reports: {query: "SELECT count(*) AS total, count(DISTINCT org_name) AS orgs FROM dmarc_reports", metrics: [{total: {usage: GAUGE}}, {orgs: {usage: GAUGE}}]}
records: {query: "SELECT count(*) AS total, count(*) FILTER (WHERE dkim = 'pass' OR spf = 'pass') AS pass, coalesce(sum(count), 0) AS messages FROM dmarc_records", metrics: [{total: {usage: GAUGE}}, {pass: {usage: GAUGE}}, {messages: {usage: GAUGE}}]}
ingested: {query: "SELECT status, count(*) AS files FROM ingested_reports GROUP BY status", metrics: [{status: {usage: LABEL}}, {files: {usage: GAUGE}}]}
alerts: {query: "SELECT severity, count(*) AS alerts FROM alert_history GROUP BY severity", metrics: [{severity: {usage: LABEL}}, {alerts: {usage: GAUGE}}]}
size: {query: "SELECT pg_database_size(current_database()) AS bytes, (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections", metrics: [{bytes: {usage: GAUGE}}, {connections: {usage: GAUGE}}]}
tables: {query: "SELECT schemaname, relname, pg_total_relation_size(relid) AS bytes FROM pg_stat_user_tables", metrics: [{schemaname: {usage: LABEL}}, {relname: {usage: LABEL}}, {bytes: {usage: GAUGE}}]}
users: {query: "SELECT count(*) AS total, count(*) FILTER (WHERE is_active) AS active FROM users", metrics: [{total: {usage: GAUGE}}, {active: {usage: GAUGE}}]}
`
