//go:build linux

package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/node_exporter/collector"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// textfileDir is the directory of the only configuration this process can have.
var textfileDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "node")
	if err != nil {
		panic(err)
	}
	textfileDir = dir
	// Arguments would do, but they must be those of the Example too.
	if err := kingpin.CommandLine.GetFlag("collector.textfile.directory").Model().Value.Set(dir); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func hostArgs() []string {
	return []string{"--no-collector.powersupplyclass"}
}

// newHost returns our collector on the flags of this process.
func newHost(t testing.TB) *Collector {
	t.Helper()
	c, err := New(hostArgs(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newUpstream returns upstream's own collector on the same flags, with the
// named parts or all of them.
func newUpstream(t testing.TB, parts ...string) *collector.NodeCollector {
	t.Helper()
	newHost(t)
	c, err := collector.NewNodeCollector(slog.New(slog.DiscardHandler), parts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func gather(t *testing.T, c prometheus.Collector) map[string]*dto.MetricFamily {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

func TestNewAgain(t *testing.T) {
	newHost(t)
	if _, err := New([]string{"--no-collector.arp"}, Config{}); !errors.Is(err, ErrConfigured) {
		t.Errorf("error = %v, want ErrConfigured", err)
	}
	if _, err := New(hostArgs(), Config{DisableDefaults: true}); !errors.Is(err, ErrConfigured) {
		t.Errorf("error = %v, want ErrConfigured", err)
	}
	want := newUpstream(t)
	var names []string
	for name := range want.Collectors {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, newHost(t).Names()); diff != "" {
		t.Errorf("collectors (-upstream +ours):\n%s", diff)
	}
}

// TestSideBySide compares every family with upstream's own collector: names,
// types, help, labels, and the values of what stays the same for a while.
func TestSideBySide(t *testing.T) {
	if err := os.WriteFile(filepath.Join(textfileDir, "a.prom"), []byte("# HELP backup_last_success_timestamp_seconds Time.\n# TYPE backup_last_success_timestamp_seconds gauge\nbackup_last_success_timestamp_seconds{kind=\"full\"} 1.7e9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	upstream, ours := gather(t, newUpstream(t)), gather(t, newHost(t))
	if len(upstream) < 100 {
		t.Fatalf("only %d families upstream", len(upstream))
	}
	stable := 0
	again := gather(t, newUpstream(t))
	for name, want := range upstream {
		got := ours[name]
		if got == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		if name == "node_scrape_collector_duration_seconds" || name == "node_scrape_collector_success" {
			if len(got.GetMetric()) != len(want.GetMetric()) {
				t.Errorf("%s has %d series, want %d", name, len(got.GetMetric()), len(want.GetMetric()))
			}
			continue
		}
		if got.GetType() != want.GetType() || got.GetHelp() != want.GetHelp() {
			t.Errorf("%s is a %v (%s), want %v (%s)", name, got.GetType(), got.GetHelp(), want.GetType(), want.GetHelp())
		}
		if diff := cmp.Diff(series(want), series(got)); diff != "" && cmp.Equal(series(want), series(again[name])) {
			t.Errorf("%s: series (-upstream +ours):\n%s", name, diff)
		}
		if want.String() != again[name].String() {
			continue // It moves.
		}
		if want.String() == got.String() {
			stable++
		}
	}
	if stable < len(upstream)/3 {
		t.Errorf("only %d of %d families have equal values", stable, len(upstream))
	}
	for name := range ours {
		if upstream[name] == nil && name != "node_scrape_collector_no_data" {
			t.Errorf("%s is not upstream's", name)
		}
	}
	t.Logf("%d families, %d of them stable and equal", len(upstream), stable)
}

// series returns the label sets of a family.
func series(f *dto.MetricFamily) []string {
	var all []string
	for _, m := range f.GetMetric() {
		all = append(all, fmt.Sprint(m.GetLabel()))
	}
	slices.Sort(all)
	return all
}

// TestWedge puts a FIFO into the textfile directory. Upstream's handler does not
// answer any more, and not even after its limit of requests is reached; ours
// answers all scrapes, with the other files.
func TestWedge(t *testing.T) {
	// Upstream's os collector writes to itself without a lock, so that scrapes
	// at the same time are a data race; the one that gets stuck is enough here.
	upstream, ours := newUpstream(t, "textfile"), newHost(t)
	if err := os.WriteFile(filepath.Join(textfileDir, "beside.prom"), []byte("beside_the_fifo 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	scrape(within(t, 30*time.Second), ours)
	before := runtime.NumGoroutine()
	fifo := filepath.Join(textfileDir, "stuck.prom")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	const limit = 4 // upstream has 40 by default
	reg := prometheus.NewRegistry()
	reg.MustRegister(upstream)
	server := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: limit}))
	client := &http.Client{Timeout: 500 * time.Millisecond}
	for range limit {
		if resp, err := client.Get(server.URL); err == nil {
			_ = resp.Body.Close()
			t.Errorf("upstream answered with %s", resp.Status)
		}
	}
	if resp, err := client.Get(server.URL); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("upstream is not wedged: %v, %v", resp, err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got := scrape(within(t, 30*time.Second), ours)
			for name, want := range map[string]float64{
				"node_scrape_collector_success{textfile}": 1, "node_scrape_collector_stuck_seconds{textfile}": 0,
				"node_textfile_scrape_error": 1, "beside_the_fifo": 1, "node_scrape_collector_success{meminfo}": 1,
			} {
				if got[name] != want {
					t.Errorf("%s = %v, want %v", name, got[name], want)
				}
			}
		})
	}
	wg.Wait()
	unblock(t, fifo)
	server.Close()
	client.CloseIdleConnections()
	realtest.Eventually(t, "it holds", func() bool { return runtime.NumGoroutine() <= before+5 })
	if got := scrape(within(t, 30*time.Second), ours); got["node_textfile_scrape_error"] != 0 {
		t.Error("the FIFO is still told of after its end")
	}
}

// unblock removes a FIFO and lets everybody who waits for a writer go.
func unblock(t *testing.T, fifo string) {
	t.Helper()
	w, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(fifo), w.Close()); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkScrape compares a scrape of ours with one of upstream's.
func BenchmarkScrape(b *testing.B) {
	for name, c := range map[string]prometheus.Collector{"ours": newHost(b), "upstream": newUpstream(b)} {
		b.Run(name, func(b *testing.B) {
			reg := prometheus.NewRegistry()
			reg.MustRegister(c)
			for b.Loop() {
				if _, err := reg.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
