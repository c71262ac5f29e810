package redis

import (
	"strconv"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// commandMetrics are about single commands and error replies, as INFO has them.
type commandMetrics struct {
	calls, seconds, rejected, failed *collect.Family
	slow, slowSeconds, slowest       *collect.Family
	quantiles, errors                *collect.Family
}

func newCommandMetrics(t *collect.Families) commandMetrics {
	return commandMetrics{
		calls:       t.Counter("commands_total", "Calls of a command.", "cmd"),
		seconds:     t.Counter("commands_duration_seconds_total", "Time spent in a command.", "cmd"),
		rejected:    t.Counter("commands_rejected_calls_total", "Calls of a command that were rejected before they ran.", "cmd"),
		failed:      t.Counter("commands_failed_calls_total", "Calls of a command that failed while they ran.", "cmd"),
		slow:        t.Counter("commands_slowlog_total", "Calls of a command that were written to the slow log.", "cmd"),
		slowSeconds: t.Counter("commands_slowlog_duration_seconds_total", "Time spent in a command when it was written to the slow log.", "cmd"),
		slowest:     t.Gauge("commands_slowlog_duration_seconds_max", "Longest time spent in a command when it was written to the slow log.", "cmd"),
		quantiles:   t.Gauge("latency_percentiles_usec", "Latencies of a command in microseconds, by percentile.", "cmd"),
		errors:      t.Counter("errors_total", "Error replies by their first word.", "err"),
	}
}

// write writes the sections commandstats, latencystats and errorstats.
func (m *commandMetrics) write(s *scrape) {
	errors := 0
	for _, line := range s.info {
		if name, ok := strings.CutPrefix(line.key, "cmdstat_"); ok {
			m.one(s, name, line.value)
		} else if name, ok := strings.CutPrefix(line.key, "latency_percentiles_usec_"); ok {
			m.latencies(s, name, line.value)
		} else if name, ok := strings.CutPrefix(line.key, "errorstat_"); ok && errors < maxErrors {
			errors++
			for k, v := range pairs(line.value) {
				if n, ok := number(v); ok && k == "count" {
					s.Add(m.errors, n, name)
				}
			}
		}
	}
}

// one writes calls=21,usec=175,usec_per_call=8.33,rejected_calls=0,failed_calls=0.
// Servers before Redis 6.2 do not have the last two.
func (m *commandMetrics) one(s *scrape, name, value string) {
	c, ok := s.commands[name]
	if !ok {
		return
	}
	s.Add(m.calls, c.calls, name)
	s.Add(m.seconds, c.usec/1e6, name)
	for k, v := range pairs(value) {
		n, ok := number(v)
		switch {
		case !ok:
		case k == "rejected_calls":
			s.Add(m.rejected, n, name)
		case k == "failed_calls":
			s.Add(m.failed, n, name)
		case k == "slowlog_count": // From Redis 8.8 on, as the next two.
			s.Add(m.slow, n, name)
		case k == "slowlog_time_ms_sum":
			s.Add(m.slowSeconds, n/1e3, name)
		case k == "slowlog_time_ms_max":
			s.Add(m.slowest, n/1e3, name)
		}
	}
}

// latencies writes p50=0.001,p99=1.003,p99.9=1.003.
func (m *commandMetrics) latencies(s *scrape, name, value string) {
	c, ok := s.commands[name]
	if !ok {
		return
	}
	quantiles := map[float64]float64{}
	for k, v := range pairs(value) {
		p, err := strconv.ParseFloat(strings.TrimPrefix(k, "p"), 64)
		if n, ok := number(v); ok && err == nil {
			quantiles[p] = n
		}
	}
	s.Summary(m.quantiles, uint64(c.calls), c.usec, quantiles, name)
}
