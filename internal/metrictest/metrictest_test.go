package metrictest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// collector is a collector made of fixed metrics.
type collector []prometheus.Metric

func (c collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c {
		ch <- m
	}
}

func metric(name, help string, kind prometheus.ValueType, value float64) prometheus.Metric {
	return prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), kind, value)
}

// fakeT notes how a test would end.
type fakeT struct {
	testing.TB
	text string
}

func (f *fakeT) Helper() {}

func (f *fakeT) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) + "\n" }

func (f *fakeT) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(f)
}

// outcome calls body and returns what it complains about.
func outcome(t *testing.T, body func(testing.TB)) string {
	f := &fakeT{TB: t}
	func() {
		defer func() {
			if v := recover(); v != nil && v != f {
				panic(v)
			}
		}()
		body(f)
	}()
	return f.text
}

// setUpdate sets -update until the end of the test.
func setUpdate(t *testing.T, on bool) {
	before := *update
	t.Cleanup(func() { *update = before })
	*update = on
}

func TestGolden(t *testing.T) {
	setUpdate(t, false)
	good := collector{metric("test_up", "Whether it is up.", prometheus.GaugeValue, 1)}
	const exposition = "# HELP test_up Whether it is up.\n# TYPE test_up gauge\ntest_up 1\n"
	tests := []struct {
		name      string
		collector collector
		golden    string
		want      string // part of the complaint, "" for none
	}{
		{"equal", good, exposition, ""},
		{"differs", collector{metric("test_up", "Whether it is up.", prometheus.GaugeValue, 0)}, exposition, "-update rewrites it"},
		{"lint", collector{metric("test_things", "Things.", prometheus.CounterValue, 1)}, "", `promlint: test_things: counter metrics should have "_total" suffix`},
		{"invalid", collector{prometheus.NewInvalidMetric(prometheus.NewDesc("test_up", "U.", nil, nil), errors.New("no reading"))}, "", "no reading"},
		{"duplicate", append(good, good...), "", "was collected before"},
		{"missing", good, "missing", "-update writes it"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "metrics.prom")
			if test.golden != "missing" {
				write(t, []byte(test.golden), file)
			}
			got := outcome(t, func(t testing.TB) { Golden(t, test.collector, file) })
			if !strings.Contains(got, test.want) || (test.want == "") != (got == "") {
				t.Errorf("got complaint %q, want %q in it", got, test.want)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	setUpdate(t, true)
	file := filepath.Join(t.TempDir(), "new", "metrics.prom")
	Golden(t, collector{metric("test_up", "Whether it is up.", prometheus.GaugeValue, 1)}, file)
	*update = false
	Golden(t, collector{metric("test_up", "Whether it is up.", prometheus.GaugeValue, 1)}, file)
	if b, err := os.ReadFile(file); err != nil || !strings.HasSuffix(string(b), "\ntest_up 1\n") {
		t.Errorf("wrote %q, %v", b, err)
	}
}

func TestMetricsDoc(t *testing.T) {
	labelled := prometheus.NewDesc("test_things_total", "Things | <more>.", []string{"b", "a"}, nil)
	c := collector{
		metric("test_up", "Whether it is up.", prometheus.GaugeValue, 1),
		prometheus.MustNewConstMetric(labelled, prometheus.CounterValue, 1, "x", "y"),
		prometheus.MustNewConstMetric(labelled, prometheus.CounterValue, 1, "x", "z"),
	}
	MetricsDoc(t, "Metrics of a test", "testdata/metrics.md", c)
}
