package collectors

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// ContextCollector is a prometheus.Collector that keeps a deadline.
//
// CollectContext sends metrics to ch and returns once ctx is done, having sent
// what it knows by then (an "up" metric of 0, for example): the deadline should be
// a little before that of the answer, so that these last metrics arrive. It may
// be called concurrently with itself.
type ContextCollector interface {
	prometheus.Collector
	CollectContext(ctx context.Context, ch chan<- prometheus.Metric)
}

// WithContext returns a collector for one scrape: its Collect keeps to ctx.
func WithContext(ctx context.Context, c ContextCollector) prometheus.Collector {
	return bound{c, func(ch chan<- prometheus.Metric) { c.CollectContext(ctx, ch) }}
}

// bound is a collector with the context of a scrape.
type bound struct {
	prometheus.Collector
	collect func(ch chan<- prometheus.Metric)
}

// Collect sends the metrics that are known in time.
func (b bound) Collect(ch chan<- prometheus.Metric) { b.collect(ch) }
