package collect

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Row is one metric: everything about it in one place.
type Row[In any] struct {
	Name, Help string
	Kind       prometheus.ValueType
	Labels     []string
	// Get sends the samples that in has of the metric.
	Get func(in In, to Series)
}

// Gauge is the row of a metric that goes up and down.
func Gauge[In any](name, help string, get func(In, Series), labels ...string) Row[In] {
	return Row[In]{name, help, prometheus.GaugeValue, labels, get}
}

// Counter is the row of a metric that only grows.
func Counter[In any](name, help string, get func(In, Series), labels ...string) Row[In] {
	return Row[In]{name, help, prometheus.CounterValue, labels, get}
}

// Table is the metrics of one collector, in the order of documentation.
type Table[In any] struct {
	rows     []Row[In]
	families Families
}

// NewTable declares the metrics of rows. The constant labels are part of every
// sample.
func NewTable[In any](rows []Row[In], constant prometheus.Labels) *Table[In] {
	t := &Table[In]{rows: rows, families: Families{Constant: constant}}
	for _, r := range rows {
		t.families.Add(r.Kind, r.Name, r.Help, r.Labels...)
	}
	return t
}

// Describe sends the descriptors of every metric.
func (t *Table[In]) Describe(ch chan<- *prometheus.Desc) { t.families.Describe(ch) }

// Write adds the samples that in has to out.
func (t *Table[In]) Write(in In, out *Output) {
	for i, r := range t.rows {
		r.Get(in, Series{out, t.families.all[i]})
	}
}

// Collect sends the samples that in has.
func (t *Table[In]) Collect(in In, ch chan<- prometheus.Metric) {
	var out Output
	t.Write(in, &out)
	out.Send(ch)
}

// Series takes the samples of one metric.
type Series struct {
	out    *Output
	family *Family
}

// Value adds a value.
func (s Series) Value(value float64, labels ...string) { s.out.Add(s.family, value, labels...) }

// Flag adds 1 or 0.
func (s Series) Flag(is bool, labels ...string) { s.out.Flag(s.family, is, labels...) }

// Since adds the value of a counter that began at a time.
func (s Series) Since(value float64, created time.Time, labels ...string) {
	s.out.Since(s.family, value, created, labels...)
}

// Histogram adds a histogram.
func (s Series) Histogram(h *dto.Histogram, labels ...string) {
	s.out.Histogram(s.family, h, labels...)
}
