package redis

import "github.com/dmarc-suite/dmarc-suite/internal/collect"

// slowlogMetrics are about the slow log.
type slowlogMetrics struct {
	length, lastID, lastSeconds *collect.Family
}

func newSlowlogMetrics(t *collect.Families) slowlogMetrics {
	return slowlogMetrics{
		length:      t.Gauge("slowlog_length", "Entries of the slow log."),
		lastID:      t.Gauge("slowlog_last_id", "Id of the last entry of the slow log."),
		lastSeconds: t.Gauge("last_slow_execution_duration_seconds", "Duration of the last slow command."),
	}
}

// write writes SLOWLOG LEN and the newest entry of SLOWLOG GET, without its
// arguments: they may hold secrets.
func (m *slowlogMetrics) write(s *scrape, replies []reply) error {
	length, ok := toNumber(replies[0].value)
	if !ok {
		return errReply
	}
	s.Add(m.length, length)
	entries, err := replies[1].list()
	if err != nil {
		return err
	}
	id, seconds := 0.0, 0.0
	if len(entries) > 0 {
		entry, ok := entries[0].([]any)
		if !ok || len(entry) < 3 {
			return errReply
		}
		id, _ = toNumber(entry[0])
		usec, _ := toNumber(entry[2])
		seconds = usec / 1e6
	}
	s.Add(m.lastID, id)
	s.Add(m.lastSeconds, seconds)
	return nil
}
