package redis

import (
	"bufio"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"
)

// elsewhere are families of the contract that are not the collector's.
var elsewhere = []string{
	"redis_exporter_build_info",                // of every binary, with the labels of Prometheus's own exporters
	"redis_target_scrape_request_errors_total", // of the binary's probes
}

// fullConfig turns everything on, for the keys of busyRedis.
var fullConfig = Config{
	ConfigValues: true, SystemMetrics: true, Ping: true, MaxClientSeries: 10,
	Keys: KeysConfig{
		Single:   []Key{{0, "text"}, {0, "number"}, {1, "other"}, {0, "missing"}},
		Patterns: []Key{{0, "que*"}},
		Counts:   []Key{{0, "*e*"}},
		Streams:  []Key{{0, "stream"}},
		Queues:   []Key{{0, "queue"}, {0, "celery"}},
		Groups:   []*regexp.Regexp{regexp.MustCompile("^(.)")},
	},
	Scripts: []Script{{"keys.lua", "return {'keys', tostring(redis.call('DBSIZE')), 'one', '1'}"}},
}

// TestContract compares names, types and labels with those of the established
// exporter on a real server, and prints what is missing or different.
func TestContract(t *testing.T) {
	s := busyRedis(t)
	for _, c := range []struct {
		name, file string
		config     Config
	}{
		{"default", "testdata/contract.default.tsv", Config{}},
		{"full", "testdata/contract.full.tsv", fullConfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			collector := New(connect(t, redis.Options{Addr: s.Addr()}), c.config)
			collector.RefreshIfDue(t.Context())
			got := gathered(t, collector)
			covered := 0
			for _, want := range readContract(t, c.file) {
				name, _, _ := strings.Cut(want, "\t")
				switch have, ok := got[name]; {
				case slices.Contains(elsewhere, name):
				case !ok:
					t.Errorf("missing: %s", want)
				case have != want:
					t.Errorf("different: want %q, got %q", want, have)
				default:
					covered++
				}
			}
			t.Logf("%d families of the contract, %d in all", covered, len(got))
		})
	}
}

// TestLaterContract compares what may come from other servers than Debian's
// with the names, types and labels of the established exporter.
func TestLaterContract(t *testing.T) {
	got := gathered(t, everyFamily{New(connect(t, redis.Options{}), Config{SystemMetrics: true})})
	for _, want := range readContract(t, "testdata/contract.later.tsv") {
		name, _, _ := strings.Cut(want, "\t")
		if got[name] != want {
			t.Errorf("want %q, got %q", want, got[name])
		}
	}
}

// gathered returns name, type and labels of the families of c, by name.
func gathered(t *testing.T, c prometheus.Collector) map[string]string {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for _, f := range families {
		labels := map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
			if f.GetType() == dto.MetricType_HISTOGRAM {
				labels["le"] = true
			}
			if len(m.GetSummary().GetQuantile()) > 0 {
				labels["quantile"] = true
			}
		}
		lines[f.GetName()] = f.GetName() + "\t" + strings.ToLower(f.GetType().String()) + "\t" + strings.Join(slices.Sorted(maps.Keys(labels)), ",")
	}
	return lines
}

// readContract returns the lines of a list of families.
func readContract(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := s.Text(); !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestProtocols holds that a client in its default configuration, which speaks
// RESP3, shows the same as one that speaks RESP2.
func TestProtocols(t *testing.T) {
	s := busyRedis(t)
	newest := redis.NewClient(&redis.Options{Addr: s.Addr()})
	t.Cleanup(func() { newest.Close() })
	var shown []map[string]string
	for _, client := range []*redis.Client{connect(t, redis.Options{Addr: s.Addr()}), newest} {
		c := New(client, fullConfig)
		c.RefreshIfDue(t.Context())
		shown = append(shown, gathered(t, c))
	}
	if diff := cmp.Diff(shown[0], shown[1]); diff != "" {
		t.Errorf("families (-RESP2 +RESP3):\n%s", diff)
	}
}
