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
	value   float64
	pairs   []*dto.LabelPair
	gauge   *dto.Gauge
	counter *dto.Counter // instead
}

// Desc implements prometheus.Metric.
func (s *sample) Desc() *prometheus.Desc { return s.desc }

// Write implements prometheus.Metric.
func (s *sample) Write(m *dto.Metric) error {
	m.Label, m.Gauge, m.Counter = s.pairs, s.gauge, s.counter
	return nil
}

// output collects the metrics of one collection.
type output struct {
	metrics  []prometheus.Metric
	samples  []sample // the free rest of the current block, as all that follow
	gauges   []dto.Gauge
	counters []dto.Counter
	pairs    []dto.LabelPair
	labels   []*dto.LabelPair
	values   []string // of pairs
}

// block is how many things output allocates at once.
const block = 256

// take returns the next element of a block, of which it makes a new one if the
// last is used up.
func take[T any](rest *[]T) *T {
	if len(*rest) == 0 {
		*rest = make([]T, block)
	}
	one := &(*rest)[0]
	*rest = (*rest)[1:]
	return one
}

// add adds a sample. values are those of the family's labels, in their order.
func (o *output) add(f *family, value float64, values ...string) {
	s := take(&o.samples)
	s.family, s.value, s.pairs = f, value, o.label(f.labels, values)
	if f.kind == prometheus.CounterValue {
		s.counter = take(&o.counters)
		s.counter.Value = &s.value
	} else {
		s.gauge = take(&o.gauges)
		s.gauge.Value = &s.value
	}
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
	if len(o.labels) < n {
		o.labels = make([]*dto.LabelPair, block+n)
	}
	labels := o.labels[:n:n]
	o.labels = o.labels[n:]
	for i := range labels {
		value := take(&o.values)
		*value = strings.ToValidUTF8(values[i], "\uFFFD")
		labels[i] = take(&o.pairs)
		labels[i].Name, labels[i].Value = &names[i], value
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
