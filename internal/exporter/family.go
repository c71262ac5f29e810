package exporter

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// sendFamily sends the metrics of a family that was gathered.
func sendFamily(f *dto.MetricFamily, ch chan<- prometheus.Metric) {
	desc := prometheus.NewDesc(f.GetName(), f.GetHelp(), nil, nil)
	for _, m := range f.GetMetric() {
		ch <- gathered{desc, m}
	}
}

// gathered is a metric of a registry, for another one.
type gathered struct {
	desc   *prometheus.Desc
	metric *dto.Metric
}

// Desc implements prometheus.Metric.
func (g gathered) Desc() *prometheus.Desc { return g.desc }

// Write implements prometheus.Metric.
func (g gathered) Write(m *dto.Metric) error {
	m.Label, m.TimestampMs = g.metric.Label, g.metric.TimestampMs
	m.Gauge, m.Counter, m.Untyped, m.Summary, m.Histogram = g.metric.Gauge, g.metric.Counter, g.metric.Untyped, g.metric.Summary, g.metric.Histogram
	return nil
}
