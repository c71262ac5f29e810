package redis

import (
	"strconv"
	"strings"
)

// Bounds on what a server can make grow.
const (
	maxCommands  = 1000
	maxErrors    = 128 // as many as Redis keeps
	maxEvents    = 64
	maxDatabases = 1024
	maxReplicas  = 256
	maxMasters   = 256
	maxNodes     = 1000
	maxSettings  = 1000
)

// commandFamilies are about single commands, error replies and events.
type commandFamilies struct {
	commandCalls, commandSeconds        *family
	commandRejected, commandFailed      *family
	commandLatencies, commandQuantiles  *family
	latencySpikeLast, latencySpikeTaken *family
	errorReplies                        *family
}

func newCommandFamilies(t *table) commandFamilies {
	return commandFamilies{
		commandCalls:    t.counter("commands_total", "Calls of a command.", "cmd"),
		commandSeconds:  t.counter("commands_duration_seconds_total", "Time spent in a command.", "cmd"),
		commandRejected: t.counter("commands_rejected_calls_total", "Calls of a command that were rejected before they ran.", "cmd"),
		commandFailed:   t.counter("commands_failed_calls_total", "Calls of a command that failed while they ran.", "cmd"),

		commandLatencies: t.gauge("commands_latencies_usec", "Latencies of a command in microseconds.", "cmd"),
		commandQuantiles: t.gauge("latency_percentiles_usec", "Latencies of a command in microseconds, by percentile.", "cmd"),

		latencySpikeLast:  t.gauge("latency_spike_last", "Time of the last latency spike of an event.", "event_name"),
		latencySpikeTaken: t.gauge("latency_spike_duration_seconds", "Length of the last latency spike of an event.", "event_name"),

		errorReplies: t.counter("errors_total", "Error replies by their first word.", "err"),
	}
}

// commandStats are the figures of one line cmdstat_… of INFO.
type commandStats struct{ calls, usec float64 }

// readCommandStats keeps the figures that other metrics need too.
func (w *writer) readCommandStats() {
	w.commands = map[string]commandStats{}
	for _, line := range w.info {
		if name, ok := strings.CutPrefix(line.key, "cmdstat_"); ok && len(w.commands) < maxCommands {
			var s commandStats
			for k, v := range pairs(line.value) {
				switch k {
				case "calls":
					s.calls, _ = number(v)
				case "usec":
					s.usec, _ = number(v)
				}
			}
			w.commands[name] = s
		}
	}
}

// commandStats writes the sections commandstats, latencystats and errorstats.
func (w *writer) commandStats() {
	errors := 0
	for _, line := range w.info {
		if name, ok := strings.CutPrefix(line.key, "cmdstat_"); ok {
			w.command(name, line.value)
		} else if name, ok := strings.CutPrefix(line.key, "latency_percentiles_usec_"); ok {
			w.quantiles(name, line.value)
		} else if name, ok := strings.CutPrefix(line.key, "errorstat_"); ok && errors < maxErrors {
			errors++
			for k, v := range pairs(line.value) {
				if n, ok := number(v); ok && k == "count" {
					w.add(w.errorReplies, n, name)
				}
			}
		}
	}
}

// command writes calls=21,usec=175,usec_per_call=8.33,rejected_calls=0,failed_calls=0.
// Servers before Redis 6.2 do not tell the last two.
func (w *writer) command(name, value string) {
	s, ok := w.commands[name]
	if !ok {
		return
	}
	w.add(w.commandCalls, s.calls, name)
	w.add(w.commandSeconds, s.usec/1e6, name)
	for k, v := range pairs(value) {
		n, ok := number(v)
		switch {
		case !ok:
		case k == "rejected_calls":
			w.add(w.commandRejected, n, name)
		case k == "failed_calls":
			w.add(w.commandFailed, n, name)
		}
	}
}

// quantiles writes p50=0.001,p99=1.003,p99.9=1.003.
func (w *writer) quantiles(name, value string) {
	s, ok := w.commands[name]
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
	w.summary(w.commandQuantiles, uint64(s.calls), s.usec, quantiles, name)
}

// latencyLatest writes LATENCY LATEST: event, time, last and longest spike in ms.
func (w *writer) latencyLatest(replies []reply) error {
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
		w.add(w.latencySpikeLast, at, name)
		w.add(w.latencySpikeTaken, ms/1e3, name)
	}
	return nil
}

// latencyHistogram writes LATENCY HISTOGRAM: by command, calls and cumulative
// buckets. The sum is that of the command's statistics.
func (w *writer) latencyHistogram(replies []reply) error {
	for name, value := range fields(replies[0].value) {
		stats, ok := w.commands[name]
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
		w.histogram(w.commandLatencies, count, stats.usec, buckets, name)
	}
	return nil
}
