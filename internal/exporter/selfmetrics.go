package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
)

// selfMetrics are the metrics of the exporter itself, and the last filter before
// metrics leave it.
type selfMetrics struct {
	log      *slog.Logger
	static   []prometheus.Collector
	success  *prometheus.Desc
	duration *prometheus.Desc
	gathers  prometheus.Counter
	dropped  prometheus.Counter
	panics   prometheus.Counter

	mu   sync.Mutex
	seen map[string]bool // causes that were logged
}

// newSelfMetrics prepares the metrics of the exporter called name. With bare,
// those of its process are left out.
func newSelfMetrics(name string, bare bool, log *slog.Logger) *selfMetrics {
	fq := func(n string) string { return prometheus.BuildFQName(name, "", n) }
	s := &selfMetrics{
		log: log,
		success: prometheus.NewDesc(fq("scrape_collector_success"),
			"Whether the collector returned in time.", []string{"collector"}, nil),
		duration: prometheus.NewDesc(fq("scrape_collector_duration_seconds"),
			"Time the collector took.", []string{"collector"}, nil),
		gathers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: fq("gathers_total"),
			Help: "Runs over the collectors. Identical scrapes at the same time share one.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: fq("dropped_metrics_total"),
			Help: "Metrics that were left out of an answer because they were duplicates or invalid.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: fq("collector_panics_total"),
			Help: "Panics of collectors that were caught.",
		}),
		seen: map[string]bool{},
	}
	s.static = []prometheus.Collector{newBuildInfo(name), s.gathers, s.dropped, s.panics}
	if !bare {
		s.static = append(s.static, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	return s
}

// families makes families of what runs have sent so far, plus the exporter's
// own metrics. What is a duplicate or invalid is dropped and counted.
func (s *selfMetrics) families(runs []*run) []*dto.MetricFamily {
	reg := prometheus.NewRegistry()
	for _, r := range runs {
		metrics, took, finished := r.snapshot()
		reg.MustRegister(unchecked{func(ch chan<- prometheus.Metric) {
			for _, m := range metrics {
				ch <- m
			}
		}})
		if r.name == "" {
			continue
		}
		reg.MustRegister(unchecked{func(ch chan<- prometheus.Metric) {
			success := 0.0
			if finished {
				success = 1
			}
			ch <- prometheus.MustNewConstMetric(s.success, prometheus.GaugeValue, success, r.name)
			ch <- prometheus.MustNewConstMetric(s.duration, prometheus.GaugeValue, took.Seconds(), r.name)
		}})
	}
	for _, c := range s.static {
		reg.MustRegister(unchecked{c.Collect})
	}
	families, err := reg.Gather()
	s.drop(err)
	return families
}

// drop counts what a gather had to leave out.
func (s *selfMetrics) drop(err error) {
	var all prometheus.MultiError
	switch {
	case err == nil:
		return
	case !errors.As(err, &all):
		all = prometheus.MultiError{err}
	}
	s.dropped.Add(float64(len(all)))
	for _, err := range all {
		s.once("dropped an invalid metric", err.Error())
	}
}

// panicked counts a panic and logs it the first time.
func (s *selfMetrics) panicked(r *run, value any, stack []byte) {
	s.panics.Inc()
	s.once("collector panicked", fmt.Sprintf("%s: %v\n%s", r.name, value, stack))
}

// once logs a cause the first time it is seen.
func (s *selfMetrics) once(msg, cause string) {
	s.mu.Lock()
	first := !s.seen[cause] && len(s.seen) < 1000
	if first {
		s.seen[cause] = true
	}
	s.mu.Unlock()
	if first {
		s.log.Error(msg, "err", cause)
	}
}

// unchecked is a collector that describes nothing, so that registering it costs
// nothing and its metrics need no announcement.
type unchecked struct {
	collect func(chan<- prometheus.Metric)
}

func (u unchecked) Describe(chan<- *prometheus.Desc)    {}
func (u unchecked) Collect(ch chan<- prometheus.Metric) { u.collect(ch) }
