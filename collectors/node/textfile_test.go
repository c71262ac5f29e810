//go:build linux

package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// updating is an updater as a collector that describes nothing.
type updating struct {
	t *testing.T
	updater
}

func (u updating) Describe(chan<- *prometheus.Desc) {}

func (u updating) Collect(ch chan<- prometheus.Metric) {
	if err := u.Update(context.Background(), ch); err != nil {
		u.t.Error(err)
	}
}

// TestTextfilesAreUpstreams compares what is made of right files with upstream's
// reading of them.
func TestTextfilesAreUpstreams(t *testing.T) {
	upstream := newUpstream(t, "textfile")
	files := map[string]string{
		"gauges.prom":  "# HELP t_gauge A gauge.\n# TYPE t_gauge gauge\nt_gauge{a=\"1\"} 1\nt_gauge{b=\"2\"} 2.5\nt_gauge 3\n",
		"counter.prom": "# TYPE t_total counter\nt_total{b=\"x\",a=\"y\"} 1e9\n",
		"again.prom":   "# TYPE t_total counter\nt_total{a=\"z\"} 5\n",
		"untyped.prom": "t_untyped NaN\nt_infinite +Inf\n",
		"summary.prom": "# HELP t_s S.\n# TYPE t_s summary\nt_s{quantile=\"0.9\"} 2\nt_s{quantile=\"0.5\"} 1\nt_s_sum 3\nt_s_count 2\n",
		"buckets.prom": "# HELP t_h H.\n# TYPE t_h histogram\nt_h_bucket{le=\"1\"} 1\nt_h_bucket{le=\"+Inf\"} 2\nt_h_sum 3\nt_h_count 2\n",
		"empty.prom":   "",
		"ignored.tmp":  "not for us",
		"broken.prom":  "t_broken{ 1\n",
		"stamped.prom": "t_stamped 1 1700000000000\n",
		"help.prom":    "# HELP t_gauge Something else.\n# TYPE t_gauge gauge\nt_gauge{a=\"9\"} 9\n",
	}
	write := func(name, text string) {
		file := filepath.Join(textfileDir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(file) })
	}
	for name, text := range files {
		write(name, text)
	}
	ours := updating{t, newTextfiles([]string{textfileDir}, slog.New(slog.DiscardHandler))}
	want, got := gather(t, upstream), gather(t, ours)
	for name, family := range want {
		if strings.HasPrefix(name, "node_scrape_") {
			continue
		}
		if diff := cmp.Diff(family.String(), got[name].String()); diff != "" {
			t.Errorf("%s (-upstream +ours):\n%s", name, diff)
		}
	}
	// Where only some files have a help, upstream sends two and loses series.
	write("zhelp.prom", "# HELP t_total First help.\n# TYPE t_total counter\nt_total{a=\"late\"} 5\n")
	got = gather(t, ours)
	if n := len(got["t_total"].GetMetric()); n != 3 || got["t_total"].GetHelp() != "First help." {
		t.Errorf("t_total has %d series with the help %q", n, got["t_total"].GetHelp())
	}
}

// TestBadTextfiles holds that what is no regular file, or wrong, is one line in
// the log when it begins and one when it ends, and costs no other file.
func TestBadTextfiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("good.prom", "good 1\n")
	write("bad.prom", "bad{\n")
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"fifo.prom": "fifo", "device.prom": "/dev/zero", "nowhere.prom": "none", "dir.prom": "."} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	var log realtest.Log
	c := updating{t, newTextfiles([]string{dir, filepath.Join(dir, "missing"), ""}, slog.New(slog.NewTextHandler(&log, nil)))}
	for range 3 {
		got := gather(t, c)
		if got["good"] == nil || got["node_textfile_scrape_error"].GetMetric()[0].GetGauge().GetValue() != 1 {
			t.Errorf("got %v", got)
		}
	}
	const wrong = 6 // five files and a directory
	if n := strings.Count(log.String(), "textfile is not shown"); n != wrong {
		t.Errorf("%d lines, want %d:\n%s", n, wrong, log.String())
	}
	write("bad.prom", "bad 1\n")
	for _, name := range []string{"fifo.prom", "device.prom", "nowhere.prom", "dir.prom"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "missing"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := gather(t, c); got["node_textfile_scrape_error"].GetMetric()[0].GetGauge().GetValue() != 0 {
			t.Errorf("got %v", got)
		}
	}
	if n := strings.Count(log.String(), "right again"); n != wrong {
		t.Errorf("%d lines about the end, want %d:\n%s", n, wrong, log.String())
	}
}

// TestTextfilesThatClash holds that a file which has what another one has, or what is the
// exporter's, is named, and that the rest of it is shown.
func TestTextfilesThatClash(t *testing.T) {
	const first = "# HELP a A.\n# TYPE a gauge\na{l=\"1\"} 1\n"
	for _, tt := range []struct {
		name, text, says string
		series           int // of a
	}{
		{"twice of a type", "# TYPE a gauge\na{m=\"\",l=\"1\"} 2\na{l=\"2\"} 2\nb 1\n", "1 series of a are there twice", 2},
		{"type", "# TYPE a counter\na{l=\"2\"} 2\nb 1\n", "the type of a differs from that in", 1},
		{"histogram", "# TYPE a histogram\na_bucket{le=\"+Inf\"} 2\na_sum 1\na_count 2\nb 1\n", "the type of a differs from that in", 1},
		{"in itself", "# TYPE a gauge\na{l=\"2\"} 2\na{l=\"2\"} 3\nb 1\n", "1 series of a are there twice", 2},
		{"own", "node_scrape_collector_success{collector=\"textfile\"} 1\nb 1\n", "node_scrape_collector_success is a metric of the exporter itself", 1},
		{"own of textfiles", "# TYPE node_textfile_scrape_error gauge\nnode_textfile_scrape_error 0\nb 1\n", "node_textfile_scrape_error is a metric of the exporter itself", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range map[string]string{"1.prom": first, "2.prom": tt.text} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var log realtest.Log
			got := gather(t, updating{t, newTextfiles([]string{dir}, slog.New(slog.NewTextHandler(&log, nil)))})
			if n := len(got["a"].GetMetric()); n != tt.series || got["a"].GetMetric()[0].GetGauge().GetValue() != 1 {
				t.Errorf("a: %v", got["a"])
			}
			if got["b"] == nil || got["node_textfile_scrape_error"].GetMetric()[0].GetGauge().GetValue() != 1 {
				t.Errorf("got %v", got)
			}
			if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "2.prom") || !strings.Contains(text, tt.says) {
				t.Errorf("log: %s", text)
			}
		})
	}
}
