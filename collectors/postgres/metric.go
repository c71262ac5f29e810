package postgres

import (
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// family is what the samples of one metric have in common.
type family struct {
	name string
	kind prometheus.ValueType
	desc *prometheus.Desc
	// shared is set if another query may have the same metric, so that
	// duplicates must be looked for across queries.
	shared bool
}

// sample is one series of a scrape. It is not changed once it was sent; its
// labels are shared with the other samples of its row.
type sample struct {
	family    *family
	labels    []*dto.LabelPair // in the order of their names
	value     float64
	histogram *histogram // instead of value
}

// histogram holds cumulative buckets in the order of their bounds, without the
// infinite one.
type histogram struct {
	bounds []float64
	counts []float64
	sum    float64
	count  float64
}

var _ prometheus.Metric = (*sample)(nil)

// Desc implements prometheus.Metric.
func (s *sample) Desc() *prometheus.Desc { return s.family.desc }

// Write implements prometheus.Metric.
func (s *sample) Write(out *dto.Metric) error {
	out.Label = s.labels[:len(s.labels):len(s.labels)]
	if s.histogram != nil {
		out.Histogram = s.histogram.proto()
		return nil
	}
	switch s.family.kind {
	case prometheus.CounterValue:
		out.Counter = &dto.Counter{Value: &s.value}
	case prometheus.GaugeValue:
		out.Gauge = &dto.Gauge{Value: &s.value}
	default:
		out.Untyped = &dto.Untyped{Value: &s.value}
	}
	return nil
}

func (h *histogram) proto() *dto.Histogram {
	count := uint64(h.count)
	out := &dto.Histogram{SampleCount: &count, SampleSum: &h.sum, Bucket: make([]*dto.Bucket, len(h.bounds))}
	for i := range h.bounds {
		n := uint64(h.counts[i])
		out.Bucket[i] = &dto.Bucket{UpperBound: &h.bounds[i], CumulativeCount: &n}
	}
	return out
}

// newHistogram checks that the arrays of a row are a histogram: as many counts
// as bounds, bounds in order, counts that only grow up to the total.
func newHistogram(bounds, counts []float64, sum, count float64) (*histogram, bool) {
	if len(bounds) != len(counts) || math.IsNaN(count) || count < 0 {
		return nil, false
	}
	if n := len(bounds); n > 0 && math.IsInf(bounds[n-1], +1) {
		if counts[n-1] != count {
			return nil, false
		}
		bounds, counts = bounds[:n-1], counts[:n-1]
	}
	previous := 0.0
	for i := range bounds {
		ordered := i == 0 || bounds[i-1] < bounds[i]
		if !ordered || math.IsNaN(bounds[i]) || !(counts[i] >= previous) || counts[i] > count {
			return nil, false
		}
		previous = counts[i]
	}
	return &histogram{bounds: bounds, counts: counts, sum: sum, count: count}, true
}

// plus returns the sum of two histograms, or h and false if their bounds
// differ.
func (h *histogram) plus(other *histogram) (*histogram, bool) {
	if h == nil || !slices.Equal(h.bounds, other.bounds) {
		return h, false
	}
	counts := slices.Clone(h.counts)
	for i := range counts {
		counts[i] += other.counts[i]
	}
	return &histogram{bounds: h.bounds, counts: counts, sum: h.sum + other.sum, count: h.count + other.count}, true
}
