package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
	"github.com/dmarc-suite/dmarc-suite/internal/reportfiles"
)

// BenchmarkDirectory reads small reports from a directory until all of them are
// durable, each round in every way, and reports the medians of processor time as
// multiples of what check takes for the same files, and so for report. Run it with
// -cpu 1 and -benchtime 5x.
func BenchmarkDirectory(b *testing.B) {
	reports := realtest.Count(b, "BENCH_REPORTS", 20_000)
	dir := b.TempDir()
	writeReports(b, dir, reports)
	server := realtest.Postgres(b)
	b.Setenv("PGPASSWORD", realtest.PostgresPassword)
	used := map[string][]time.Duration{}
	usual := debug.SetGCPercent(-1)
	debug.SetGCPercent(usual)
	for i := 0; b.Loop(); i++ {
		timed(b, used, "check", func() {
			var out, refused bytes.Buffer
			if err := reportfiles.Check(b.Context(), reportfiles.Streams{Out: &out, Err: &refused}, []string{dir}, reportfiles.CheckConfig{}); err != nil {
				b.Fatal(err)
			}
		})
		timed(b, used, "report", func() {
			var out bytes.Buffer
			_, f := newApp()
			f.report.paths, f.report.by, f.report.format, f.report.top = []string{dir}, string(store.BySource), reportfiles.FormatTable, 20
			if code := f.report.run(b.Context(), "report messages", reportfiles.Streams{Out: &out, Err: &out}); code != exitOK {
				b.Fatalf("exit code %d\n%s", code, &out)
			}
		})
		debug.SetGCPercent(usual) // report ends its program soon
		state := filepath.Join(b.TempDir(), "state.db")
		timed(b, used, "counts", func() { countAll(b, dir, reports, serving.StateOptions{StateFile: state}, store.RecordsOff, nil) })
		timed(b, used, "sqlite", func() { countAll(b, dir, reports, serving.StateOptions{StateFile: state + "2"}, store.RecordsAll, nil) })
		database := newDatabase(b, server, fmt.Sprint("round", i))
		timed(b, used, "postgres", func() { countAll(b, dir, reports, serving.StateOptions{Database: database}, store.RecordsAll, nil) })
	}
	median := func(name string) time.Duration {
		slices.Sort(used[name])
		return used[name][len(used[name])/2]
	}
	for _, name := range []string{"report", "counts", "sqlite", "postgres"} {
		b.ReportMetric(float64(median(name))/float64(median("check")), name+"/check")
		b.ReportMetric(float64(reports)/median(name).Seconds(), name+"-reports/s")
	}
	b.Logf("check: %s", used["check"])
}

// timed notes the processor time of this process.
func timed(b *testing.B, used map[string][]time.Duration, name string, run func()) {
	b.Helper()
	now := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := now()
	run()
	used[name] = append(used[name], now()-start)
}

// newDatabase makes a database and returns its address.
func newDatabase(b *testing.B, server *realtest.PostgresServer, name string) string {
	server.CreateDatabase(b, name, "")
	address := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: server.Addr(), Path: name, RawQuery: "sslmode=disable"}
	return address.String()
}

// countAll runs the service until all reports are counted. Meanwhile is called
// again and again, unless it is nil.
func countAll(b *testing.B, dir string, reports int, state serving.StateOptions, records store.Records, meanwhile func(*serving.Service)) {
	b.Helper()
	options := &serving.ServeOptions{Dirs: []string{dir}, After: string(ingest.AfterKeep), Refused: "keep", Rescan: time.Hour, Pages: true}
	options.StateOptions, options.Records = state, string(records)
	s, err := serving.NewService(b.Context(), options, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx) // ctx ends it.
	}()
	realtest.Eventually(b, "all counted", func() bool {
		if meanwhile != nil {
			meanwhile(s)
		}
		return s.Pipeline.Stats("dir:" + dir).Deliveries[ingest.ClassCounted] >= uint64(reports)
	})
	cancel()
	<-done
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// writeReports writes reports of 6.5 records of 50 reporters about 20 domains in
// 30 days.
func writeReports(b testing.TB, dir string, reports int) {
	b.Helper()
	old := time.Now().Add(-time.Hour)
	for i := range reports {
		end := old.Truncate(24*time.Hour).AddDate(0, 0, -i%30).Unix() - 1
		var text strings.Builder
		domain := fmt.Sprintf("d%d.example", i%20)
		fmt.Fprintf(&text, `<?xml version="1.0"?>
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>org%d</org_name>
    <email>dmarc@org%d.example</email>
    <report_id>%d</report_id>
    <date_range>
      <begin>%d</begin>
      <end>%d</end>
    </date_range>
  </report_metadata>
  <policy_published>
    <domain>%s</domain>
    <adkim>r</adkim>
    <aspf>r</aspf>
    <p>reject</p>
    <sp>reject</sp>
    <pct>100</pct>
  </policy_published>
`, i%50, i%50, i, end-24*60*60+1, end, domain)
		for j := range 6 + i%2 {
			address := (i*7 + j*2003) * 7919 % 15_000
			fmt.Fprintf(&text, `  <record>
    <row>
      <source_ip>10.%d.%d.%d</source_ip>
      <count>%d</count>
      <policy_evaluated>
        <disposition>none</disposition>
        <dkim>pass</dkim>
        <spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers>
      <envelope_from>bounce%d.example</envelope_from>
      <header_from>%s</header_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>%s</domain>
        <selector>s1</selector>
        <result>pass</result>
      </dkim>
      <dkim>
        <domain>esp.example</domain>
        <selector>k%d</selector>
        <result>pass</result>
      </dkim>
      <spf>
        <domain>bounce%d.example</domain>
        <scope>mfrom</scope>
        <result>pass</result>
      </spf>
    </auth_results>
  </record>
`, address>>12, address>>6&63, address&63, 1+i%90, j, domain, domain, j%3, j)
		}
		text.WriteString("</feedback>\n")
		path := filepath.Join(dir, fmt.Sprintf("%05d.xml", i))
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			b.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			b.Fatal(err)
		}
	}
}
