package redis

import (
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// latencyMetrics are about what the commands LATENCY know.
type latencyMetrics struct {
	spikeLast, spikeSeconds, histogram *collect.Family
}

func newLatencyMetrics(t *collect.Families) latencyMetrics {
	return latencyMetrics{
		spikeLast:    t.Gauge("latency_spike_last", "Time of the last latency spike of an event.", "event_name"),
		spikeSeconds: t.Gauge("latency_spike_duration_seconds", "Length of the last latency spike of an event.", "event_name"),
		histogram:    t.Gauge("commands_latencies_usec", "Latencies of a command in microseconds.", "cmd"),
	}
}

// latest writes LATENCY LATEST: event, time, last and longest spike in ms.
func (m *latencyMetrics) latest(s *scrape, replies []reply) error {
	events, err := replies[0].list()
	if err != nil {
		return err
	}
	for _, e := range events[:min(len(events), maxEvents)] {
		event, ok := e.([]any)
		if !ok || len(event) < 3 {
			return errReply
		}
		at, _ := toNumber(event[1])
		ms, _ := toNumber(event[2])
		name := toText(event[0])
		s.Add(m.spikeLast, at, name)
		s.Add(m.spikeSeconds, ms/1e3, name)
	}
	return nil
}

// histograms writes LATENCY HISTOGRAM: by command, calls and cumulative
// buckets. The sum is that of the command's statistics.
func (m *latencyMetrics) histograms(s *scrape, replies []reply) error {
	for name, value := range fields(replies[0].value) {
		stats, ok := s.commands[name]
		if !ok {
			continue
		}
		count, buckets := uint64(0), map[float64]uint64{}
		for k, v := range fields(value) {
			switch k {
			case "calls":
				n, _ := toNumber(v)
				count = uint64(n)
			case "histogram_usec":
				for le, n := range fields(v) {
					bound, ok := number(le)
					c, _ := toNumber(n)
					if ok {
						buckets[bound] = uint64(c)
					}
				}
			}
		}
		s.Histogram(m.histogram, collect.Buckets(count, stats.usec, buckets, time.Time{}), name)
	}
	return nil
}
