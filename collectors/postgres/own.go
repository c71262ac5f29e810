package postgres

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// connectReasons are the values of the label reason of the server's failures.
var connectReasons = []Reason{
	ReasonAuth, ReasonConfig, ReasonConnection, ReasonRefused, ReasonServer, ReasonTLS, ReasonTimeout, ReasonUnavailable,
}

// ownMetrics are the metrics about the server and the queries themselves.
type ownMetrics struct {
	constant []labelColumn
	base     []*dto.LabelPair

	up, scrapes, failed, took, failures           *family
	success, duration, rows, queryErrors, lastRun *family
}

func newOwnMetrics(labels map[string]string) *ownMetrics {
	m := &ownMetrics{}
	names := slices.Sorted(maps.Keys(labels))
	for _, name := range names {
		value := labels[name]
		m.constant = append(m.constant, labelColumn{name: name, column: -1, value: value})
		m.base = append(m.base, &dto.LabelPair{Name: &name, Value: &value})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	make := func(kind prometheus.ValueType, name, help string, labels ...string) *family {
		return &family{name: name, kind: kind, desc: prometheus.NewDesc(name, help, append(labels, names...), nil)}
	}
	m.up = make(gauge, "pg_up", "Whether the last scrape of metrics from PostgreSQL was able to connect to the server (1 for yes, 0 for no).")
	m.scrapes = make(counter, "pg_exporter_scrapes_total", "Total number of times PostgreSQL was scraped for metrics.")
	m.failed = make(gauge, "pg_exporter_last_scrape_error", "Whether the last scrape of metrics from PostgreSQL resulted in an error (1 for error, 0 for success).")
	m.took = make(gauge, "pg_exporter_last_scrape_duration_seconds", "Duration of the last scrape of metrics from PostgreSQL.")
	m.failures = make(counter, "pg_exporter_scrape_errors_total", "Scrapes that could not reach the server, by reason.", "reason")
	m.success = make(gauge, "pg_scrape_collector_success", "Whether the last run of a query succeeded.", "collector")
	m.duration = make(gauge, "pg_scrape_collector_duration_seconds", "Duration of the last run of a query.", "collector")
	m.rows = make(gauge, "pg_scrape_collector_rows", "Rows the last run of a query returned.", "collector")
	m.queryErrors = make(counter, "pg_scrape_collector_errors_total", "Failed runs of a query and parts of results that could not be shown, by reason.", "collector", "reason")
	m.lastRun = make(gauge, "pg_scrape_collector_last_success_timestamp_seconds", "When the last successful run of a query began whose results are kept for several scrapes.", "collector")
	return m
}

func (m *ownMetrics) send(ch chan<- prometheus.Metric, f *family, value float64, labels ...string) {
	pairs := slices.Clone(m.base)
	for i := 0; i < len(labels); i += 2 {
		pairs = append(pairs, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
	}
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	ch <- &sample{family: f, labels: pairs, value: value}
}

func (m *ownMetrics) sendUp(ch chan<- prometheus.Metric, up bool) { m.send(ch, m.up, number(up)) }

// sendOwn sends the figures about the server and the queries.
func (c *Collector) sendOwn(ch chan<- prometheus.Metric, tasks []*task, down bool, took time.Duration) {
	m := c.own
	failed := down
	for _, t := range tasks {
		name := t.query.Name
		s := t.stats.snapshot()
		if s.ran || down {
			m.send(ch, m.success, number(s.ok && !down), "collector", name)
		}
		failed = failed || !s.ok
		for _, reason := range slices.Sorted(maps.Keys(s.errors)) {
			m.send(ch, m.queryErrors, float64(s.errors[reason]), "collector", name, "reason", string(reason))
		}
		if !s.ran {
			continue
		}
		m.send(ch, m.duration, s.took.Seconds(), "collector", name)
		m.send(ch, m.rows, float64(s.rows), "collector", name)
		if t.keeps() && !s.lastRun.IsZero() {
			m.send(ch, m.lastRun, float64(s.lastRun.UnixMilli())/1e3, "collector", name)
		}
	}
	c.mu.Lock()
	scrapes, failures := c.scrapes, maps.Clone(c.failures)
	c.mu.Unlock()
	for _, reason := range connectReasons {
		m.send(ch, m.failures, float64(failures[reason]), "reason", string(reason))
	}
	m.send(ch, m.scrapes, float64(scrapes))
	m.send(ch, m.failed, number(failed))
	m.send(ch, m.took, took.Seconds())
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
