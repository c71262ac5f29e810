package redis

import (
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// ownMetrics are about asking the server. They are known even if it is down.
type ownMetrics struct {
	up, total, seconds, lastSeconds  *collect.Family
	lastConnect, lastPing, lastError *collect.Family
	partSuccess                      *collect.Family
}

func newOwnMetrics(t *collect.Families) ownMetrics {
	return ownMetrics{
		up:          t.Gauge("up", "Whether the server answered."),
		total:       t.Counter("exporter_scrapes_total", "Collections from this server."),
		seconds:     t.Gauge("exporter_scrape_duration_seconds", "Durations of the collections from this server."),
		lastSeconds: t.Gauge("exporter_last_scrape_duration_seconds", "Duration of the last collection."),
		lastConnect: t.Gauge("exporter_last_scrape_connect_time_seconds", "Time to connect in the last collection, 0 if a connection was open."),
		lastPing:    t.Gauge("exporter_last_scrape_ping_time_seconds", "Round trip of a PING in the last collection."),
		lastError:   t.Gauge("exporter_last_scrape_error", "Whether the last collection failed, labelled with the class of the cause.", "err"),
		partSuccess: t.Gauge("exporter_part_success", "Whether the server answered a part of the collection.", "part"),
	}
}

// write writes how the collection went.
func (m *ownMetrics) write(s *scrape, snap *snapshot) {
	s.Flag(m.up, snap.err == nil)
	s.Flag(m.lastError, snap.err != nil, string(ReasonOf(snap.err)))
	s.Add(m.lastSeconds, snap.took.Seconds())
	s.Add(m.lastConnect, snap.connect.Seconds())
	if s.config.Ping {
		s.Add(m.lastPing, snap.ping.Seconds())
	}
	if snap.collections > 0 {
		s.Add(m.total, float64(snap.collections))
		s.Summary(m.seconds, snap.collections, snap.seconds, nil)
	}
}
