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

// Write implements prometheus.Metric.
func (s *Sample) Write(m *dto.Metric) error {
	m.Label = s.Labels[:len(s.Labels):len(s.Labels)]
	switch {
	case s.Histogram != nil:
		m.Histogram = s.Histogram
	case s.Summary != nil:
		m.Summary = s.Summary
	case s.Family.Kind == prometheus.GaugeValue:
		m.Gauge = &dto.Gauge{Value: &s.Value}
	case s.Family.Kind == prometheus.CounterValue:
		m.Counter = &dto.Counter{Value: &s.Value}
		if !s.Created.IsZero() {
			m.Counter.CreatedTimestamp = timestamppb.New(s.Created)
		}
	default:
		m.Untyped = &dto.Untyped{Value: &s.Value}
	}
	return nil
}
