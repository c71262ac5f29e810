package redis

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// family is a metric's description with what is needed to write its samples.
type family struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	scale  float64  // of the INFO line, never 0
	labels []string // in the order of the values, which is alphabetical
}

// sample is one value of a family. It implements prometheus.Metric like a const
// metric, but a whole collection of them takes few allocations.
type sample struct {
	*family
	value float64
	pairs []*dto.LabelPair
}

// Desc implements prometheus.Metric.
func (s *sample) Desc() *prometheus.Desc { return s.desc }

// Write implements prometheus.Metric.
func (s *sample) Write(m *dto.Metric) error {
	m.Label = s.pairs
	if s.kind == prometheus.CounterValue {
		m.Counter = &dto.Counter{Value: &s.value}
	} else {
		m.Gauge = &dto.Gauge{Value: &s.value}
	}
	return nil
}

// output collects the metrics of one collection.
type output struct {
	metrics []prometheus.Metric
	samples []sample // the free rest of the current block
	pairs   []dto.LabelPair
	labels  []*dto.LabelPair
}

// block is how many things output allocates at once.
const block = 256

// add adds a sample. values are those of the family's labels, in their order.
func (o *output) add(f *family, value float64, values ...string) {
	if len(o.samples) == 0 {
		o.samples = make([]sample, block)
	}
	s := &o.samples[0]
	o.samples = o.samples[1:]
	*s = sample{family: f, value: value, pairs: o.label(f.labels, values)}
	o.metrics = append(o.metrics, s)
}

// flag adds a sample of 1 or 0.
func (o *output) flag(f *family, is bool, values ...string) {
	value := 0.0
	if is {
		value = 1
	}
	o.add(f, value, values...)
}

// label makes label pairs. What is not UTF-8 in a value is replaced.
func (o *output) label(names, values []string) []*dto.LabelPair {
	n := len(names)
	if n == 0 {
		return nil
	}
	if len(o.pairs) < n {
		o.pairs = make([]dto.LabelPair, block+n)
		o.labels = make([]*dto.LabelPair, block+n)
	}
	pairs, labels := o.pairs[:n], o.labels[:n:n]
	o.pairs, o.labels = o.pairs[n:], o.labels[n:]
	for i := range pairs {
		value := strings.ToValidUTF8(values[i], "\uFFFD")
		pairs[i].Name, pairs[i].Value = &names[i], &value
		labels[i] = &pairs[i]
	}
	return labels
}

// histogram adds a classic histogram with cumulative buckets.
func (o *output) histogram(f *family, count uint64, sum float64, buckets map[float64]uint64, values ...string) {
	o.metrics = append(o.metrics, prometheus.MustNewConstHistogram(f.desc, count, sum, buckets, valid(values)...))
}

// summary adds a summary.
func (o *output) summary(f *family, count uint64, sum float64, quantiles map[float64]float64, values ...string) {
	o.metrics = append(o.metrics, prometheus.MustNewConstSummary(f.desc, count, sum, quantiles, valid(values)...))
}

// valid replaces what is not UTF-8, in place.
func valid(values []string) []string {
	for i, v := range values {
		values[i] = strings.ToValidUTF8(v, "\uFFFD")
	}
	return values
}
