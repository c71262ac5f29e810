package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const (
	// readers is how many people look at pages at the same time.
	readers = 200
	// scrapeTimeout is what the exporter is told that Prometheus waits for a scrape:
	// longer than usual, as machines for tests may be busy.
	scrapeTimeout = realtest.Patience
)

// readPaths are pages of all kinds about the reports of writeReports, and tables.
func readPaths() []string {
	return []string{
		"/", "/domain?name=d1.example", "/sources", "/sources?domain=d2.example&failing=1", "/source?address=10.0.0.0", "/reports", "/refused", "/tls",
		"/overview.json", "/sources.csv?days=400", "/domain.csv?name=d3.example&table=senders",
	}
}

// reading is many people who look at pages.
type reading struct {
	address     string
	ctx         context.Context // until they have seen enough
	cancel      context.CancelFunc
	shown, busy atomic.Int64
	group       sync.WaitGroup
}

// read lets so many people look at one page after the other. What they get is a
// whole page, or the word that others come first.
func read(t testing.TB, address string, people int) *reading {
	r := &reading{address: address}
	r.ctx, r.cancel = context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: people}}
	t.Cleanup(client.CloseIdleConnections)
	for i := range people {
		r.group.Go(func() {
			for n := i; r.ctx.Err() == nil; n++ {
				paths := readPaths()
				if err := r.one(client, paths[n%len(paths)]); err != nil && r.ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return r
}

func (r *reading) one(client *http.Client, path string) error {
	req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, "http://"+r.address+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err := resp.Body.Close(); err != nil {
		return err
	}
	switch {
	case err != nil:
	case resp.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "Other pages are being computed") && resp.Header.Get("Retry-After") != "":
		r.busy.Add(1)
	case resp.StatusCode != http.StatusOK, !strings.Contains(path, ".") && !strings.Contains(string(body), "</html>"):
		err = fmt.Errorf("GET %s: %d\n%s", path, resp.StatusCode, body)
	default:
		r.shown.Add(1)
	}
	return err
}

// stop makes all of them go away, whatever they wait for.
func (r *reading) stop() {
	r.cancel()
	r.group.Wait()
}

// scrapeInTime scrapes as Prometheus does: an answer after the timeout is none, nor
// is one of which a part is missing.
func scrapeInTime(t *testing.T, address string) (reports float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scrapeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint(scrapeTimeout.Seconds()))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("scrape: %v", err)
	}
	defer resp.Body.Close()
	series, err := seriesOf(resp.Body)
	if err != nil {
		t.Fatalf("scrape: %v", err)
	}
	up := 0
	for name, value := range series {
		switch {
		case name == "dmarc_up{}", strings.HasPrefix(name, "dmarc_exporter_scrape_collector_success{"):
			if up++; value != 1 {
				t.Errorf("%s %g", name, value)
			}
		case strings.HasPrefix(name, "dmarc_reports_total{"):
			reports += value
		}
	}
	if up < 2 {
		t.Errorf("no scrape: %d series", len(series))
	}
	return reports
}

// TestReaders has 200 people look at pages while reports are counted: each scrape
// meanwhile is whole and in time, counts only grow, and all reports are counted.
func TestReaders(t *testing.T) {
	t.Parallel()
	const scrapes = 5
	reports, dir := 100, t.TempDir()
	writeReports(t, dir, reports)
	address := serve(t, "--source.dir="+dir, "--state.file="+filepath.Join(t.TempDir(), "state.db"), "--source.after=keep")
	realtest.Eventually(t, "it answers", func() bool { return scrape(t, address) != nil })
	r := read(t, address, readers)
	defer r.stop()
	counted := 0.0
	realtest.Eventually(t, "they read", func() bool { return r.shown.Load() > 0 })
	for n := 0; n < scrapes || counted < float64(reports); n++ {
		now := scrapeInTime(t, address)
		if t.Failed() || now < counted {
			t.Fatalf("%g reports after %g", now, counted)
		}
		counted = now
	}
	r.stop()
	if got := scrapeInTime(t, address); got != float64(reports) {
		t.Errorf("%g reports, want %d", got, reports)
	}
	t.Logf("%d pages, %d times others came first", r.shown.Load(), r.busy.Load())
}

// readersMemory is what people who look at pages may add to the memory of the
// exporter.
const readersMemory = 16 << 20

// TestReadersMemory compares the peak memory of two exporters that count the same
// reports: 200 people look at the pages of one. READER_REPORTS is how many there are,
// and READER_PAGES how many pages are looked at.
func TestReadersMemory(t *testing.T) {
	binary, dir := realtest.Program(t, "dmarc_exporter"), t.TempDir()
	reports, pages := realtest.Count(t, "READER_REPORTS", 1000), realtest.Count(t, "READER_PAGES", 60)
	writeReports(t, dir, reports)
	peak := func(people int) int {
		address := realtest.FreeAddress(t)
		exporter := realtest.Start(t, exec.Command(binary, "serve", "--source.dir="+dir, "--source.after=keep", "--state.file="+filepath.Join(t.TempDir(), "state.db"),
			"--web.listen-address="+address, "--log.level=error"))
		realtest.Eventually(t, "it answers", func() bool { return scrape(t, address) != nil })
		r := read(t, address, people)
		defer r.stop()
		realtest.Eventually(t, "all counted", func() bool { return scrapeInTime(t, address) == float64(reports) })
		realtest.Eventually(t, "they have read", func() bool { return people == 0 || r.shown.Load() >= int64(pages) })
		r.stop()
		_, peak := exporter.Memory(t)
		t.Logf("%d readers: %.1f MiB, %d pages, %d times others came first", people, float64(peak)/(1<<20), r.shown.Load(), r.busy.Load())
		exporter.Stop()
		return peak
	}
	without := peak(0)
	if with := peak(readers); with > without+readersMemory {
		t.Errorf("%d bytes at the peak with readers and %d without, want at most %d more", with, without, readersMemory)
	}
}
