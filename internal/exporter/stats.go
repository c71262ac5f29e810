package exporter

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// repeat is how long a message about one cause stays unsaid after it was said.
const repeat = 10 * time.Minute

var errNoDesc = errors.New("metric without a description")

// stats are what the trunk counts about its own work. They also write a line to
// the log about what they count, but not on every scrape.
type stats struct {
	success  *prometheus.Desc
	duration *prometheus.Desc
	gathers  prometheus.Counter
	dropped  prometheus.Counter
	panics   prometheus.Counter
	log      *slog.Logger

	mu   sync.Mutex
	said map[string]time.Time // by cause; causes are bounded
}

// newStats prepares the statistics of the exporter called name.
func newStats(name string) *stats {
	counter := func(n, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: name, Name: n, Help: help})
	}
	desc := func(n, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(name, "", n), help, []string{"collector"}, nil)
	}
	return &stats{
		success:  desc("scrape_collector_success", "Whether the collector returned in time and without a panic."),
		duration: desc("scrape_collector_duration_seconds", "Time the collector took."),
		gathers:  counter("gathers_total", "Runs over the collectors. Identical scrapes at the same time share one."),
		dropped:  counter("dropped_metrics_total", "Metrics that were left out of an answer because they were duplicates or invalid."),
		panics:   counter("collector_panics_total", "Panics of collectors that were caught."),
		log:      slog.New(slog.DiscardHandler),
		said:     map[string]time.Time{},
	}
}

// Describe implements prometheus.Collector.
func (s *stats) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(s, ch) }

// Collect implements prometheus.Collector.
func (s *stats) Collect(ch chan<- prometheus.Metric) {
	ch <- s.gathers
	ch <- s.dropped
	ch <- s.panics
}

// gather makes families of what runs have sent so far, with their numbers or
// without, their outcome, and what own collects. The error tells what was invalid.
func (s *stats) gather(runs []*run, own prometheus.Collector, numbers bool) ([]*dto.MetricFamily, error) {
	reg := prometheus.NewRegistry()
	for _, r := range runs {
		reg.MustRegister(unchecked(func(ch chan<- prometheus.Metric) {
			if numbers {
				for _, n := range r.numbers() {
					ch <- n
				}
			}
			s.report(r, ch)
		}))
	}
	if own != nil {
		reg.MustRegister(unchecked(own.Collect))
	}
	return reg.Gather()
}

// report sends what a run has sent but for numbers, and its outcome if it has a
// name.
func (s *stats) report(r *run, ch chan<- prometheus.Metric) {
	metrics, took, success := r.snapshot()
	for _, m := range metrics {
		ch <- m
	}
	if r.name == "" {
		return
	}
	value := 0.0
	if success {
		value = 1
	}
	ch <- prometheus.MustNewConstMetric(s.success, prometheus.GaugeValue, value, r.name)
	ch <- prometheus.MustNewConstMetric(s.duration, prometheus.GaugeValue, took.Seconds(), r.name)
}

// drop counts what a gather had to leave out.
func (s *stats) drop(err error) {
	if err == nil {
		return
	}
	all := prometheus.MultiError{err}
	errors.As(err, &all)
	s.dropped.Add(float64(len(all)))
	s.say("drop", "metrics dropped", "count", len(all), "err", all[0])
}

// say logs an error, unless it was logged a short while ago for the same cause.
func (s *stats) say(cause, msg string, args ...any) {
	s.mu.Lock()
	last, again := s.said[cause]
	quiet := again && time.Since(last) < repeat
	if !quiet {
		s.said[cause] = time.Now()
	}
	s.mu.Unlock()
	if !quiet {
		s.log.Error(msg, args...)
	}
}

// unchecked is a collector that announces nothing, so that it costs nothing to
// register and may send anything.
type unchecked func(chan<- prometheus.Metric)

func (u unchecked) Describe(chan<- *prometheus.Desc)    {}
func (u unchecked) Collect(ch chan<- prometheus.Metric) { u(ch) }
