package postgres

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// connectReasons are the values of the label reason of the server's failures.
var connectReasons = []Reason{
	collect.Auth, collect.Canceled, ReasonConfig, collect.DNS, collect.Other, collect.Panic, collect.Protocol, collect.Refused, collect.Reset,
	ReasonServer, collect.Timeout, collect.TLS, ReasonUnavailable, collect.Unreachable,
}

// ownMetrics are the metrics about the server and the queries themselves.
type ownMetrics struct {
	up, bouncerUp, bouncerVersion                 *collect.Family
	scrapes, failed, took, failures               *collect.Family
	success, duration, rows, queryErrors, lastRun *collect.Family
}

func newOwnMetrics(labels prometheus.Labels) *ownMetrics {
	f := &collect.Families{Constant: labels}
	return &ownMetrics{
		up:             f.Gauge("pg_up", "Whether the last scrape of metrics from PostgreSQL was able to connect to the server (1 for yes, 0 for no)."),
		bouncerUp:      f.Gauge("pgbouncer_up", "Whether the last scrape was able to connect to the admin console of PgBouncer (1 for yes, 0 for no). Absent until it was for the first time."),
		bouncerVersion: f.Gauge("pgbouncer_version_info", "Version of PgBouncer.", "version"),
		scrapes:        f.Counter("pg_exporter_scrapes_total", "Total number of times PostgreSQL was scraped for metrics."),
		failed:         f.Gauge("pg_exporter_last_scrape_error", "Whether the last scrape of metrics from PostgreSQL resulted in an error (1 for error, 0 for success)."),
		took:           f.Gauge("pg_exporter_last_scrape_duration_seconds", "Duration of the last scrape of metrics from PostgreSQL."),
		failures:       f.Counter("pg_exporter_scrape_errors_total", "Scrapes that could not reach the server, by reason.", "reason"),
		success:        f.Gauge("pg_scrape_collector_success", "Whether the last run of a query succeeded.", "collector"),
		duration:       f.Gauge("pg_scrape_collector_duration_seconds", "Duration of the last run of a query.", "collector"),
		rows:           f.Gauge("pg_scrape_collector_rows", "Rows the last run of a query returned.", "collector"),
		queryErrors:    f.Counter("pg_scrape_collector_errors_total", "Failed runs of a query and parts of results that could not be shown, by reason.", "collector", "reason"),
		lastRun:        f.Gauge("pg_scrape_collector_last_success_timestamp_seconds", "When the last successful run of a query began whose results are kept for several scrapes.", "collector"),
	}
}

// sendOwn sends the figures about the server and the queries.
func (c *Collector) sendOwn(ch chan<- prometheus.Metric, tasks []*task, down bool, took time.Duration) {
	var out collect.Output
	m := c.own
	out.Flag(m.up, !down)
	if last := c.last.Load(); last != nil && last.Console {
		out.Flag(m.bouncerUp, !down)
		if v := last.Version; !down {
			out.Add(m.bouncerVersion, 1, fmt.Sprintf("PgBouncer %d.%d.%d", v[0], v[1], v[2]))
		}
	}
	failed := down
	for _, t := range tasks {
		name := t.query.Name
		s := t.stats.snapshot()
		if s.ran || down {
			out.Flag(m.success, s.ok && !down, name)
		}
		failed = failed || !s.ok
		for _, reason := range slices.Sorted(maps.Keys(s.errors)) {
			out.Add(m.queryErrors, float64(s.errors[reason]), name, string(reason))
		}
		if !s.ran {
			continue
		}
		out.Add(m.duration, s.took.Seconds(), name)
		out.Add(m.rows, float64(s.rows), name)
		if t.keeps() && !s.lastRun.IsZero() {
			out.Add(m.lastRun, float64(s.lastRun.UnixMilli())/1e3, name)
		}
	}
	c.mu.Lock()
	scrapes, failures := c.scrapes, maps.Clone(c.failures)
	c.mu.Unlock()
	for _, reason := range connectReasons {
		out.Add(m.failures, float64(failures[reason]), string(reason))
	}
	out.Add(m.scrapes, float64(scrapes))
	out.Flag(m.failed, failed)
	out.Add(m.took, took.Seconds())
	out.Send(ch)
}
