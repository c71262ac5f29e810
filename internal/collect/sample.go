package collect

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Sample is one series of a scrape. It is a prometheus.Metric that needs few
// allocations, and must not be changed once it has been sent.
type Sample struct {
	Family *Family
	Labels []*dto.LabelPair // in the order of their names
	Value  float64

	Histogram *dto.Histogram // instead of Value
	Summary   *dto.Summary   // instead of Value
	Created   time.Time      // of a counter; the zero time is left out
}

// Desc implements prometheus.Metric.
func (s *Sample) Desc() *prometheus.Desc { return s.Family.desc }

// Plain reports whether the sample is a number, without a histogram or a summary.
func (s *Sample) Plain() bool { return s.Histogram == nil && s.Summary == nil }

// Write implements prometheus.Metric.
func (s *Sample) Write(m *dto.Metric) error {
	s.WriteInto(m)
	return nil
}

// WriteInto is Write for a metric that may have been that of another sample: what
// it has of it is used again.
func (s *Sample) WriteInto(m *dto.Metric) {
	m.Label = s.Labels[:len(s.Labels):len(s.Labels)]
	gauge, counter, untyped := m.Gauge, m.Counter, m.Untyped
	m.Gauge, m.Counter, m.Untyped, m.Histogram, m.Summary = nil, nil, nil, nil, nil
	switch {
	case s.Histogram != nil:
		m.Histogram = s.Histogram
	case s.Summary != nil:
		m.Summary = s.Summary
	case s.Family.Kind == prometheus.GaugeValue:
		m.Gauge = some(gauge)
		m.Gauge.Value = &s.Value
	case s.Family.Kind == prometheus.CounterValue:
		m.Counter = some(counter)
		m.Counter.Value, m.Counter.CreatedTimestamp = &s.Value, nil
		if !s.Created.IsZero() {
			m.Counter.CreatedTimestamp = timestamppb.New(s.Created)
		}
	default:
		m.Untyped = some(untyped)
		m.Untyped.Value = &s.Value
	}
}

// some returns what there is, or a new one.
func some[T any](there *T) *T {
	if there == nil {
		return new(T)
	}
	return there
}
