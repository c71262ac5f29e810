package nginx

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// counts is what one scrape of an AccessLog is made from.
type counts struct {
	*state
	inputs []*input
}

// accessLogRows are the metrics of an AccessLog.
func accessLogRows() []collect.Row[counts] { return append(requestRows(), inputRows()...) }

// requestRows are about the requests in the lines.
func requestRows() []collect.Row[counts] {
	return []collect.Row[counts]{
		collect.Counter("nginx_access_requests_total", "Requests in the access log by server, method, status and route.",
			func(c counts, s collect.Series) {
				for _, r := range c.Requests {
					s.Since(float64(r.N), r.Created, r.Server, r.Method, r.Status, r.Route)
				}
			}, "server", "method", "status", "route"),
		collect.Gauge("nginx_access_request_duration_seconds",
			"Time from the first byte of a request to the last byte of its response, slow clients included, in seconds.",
			timing(func(c counts, t *timingRow, s collect.Series) {
				s.Histogram(t.Duration.proto(c.Buckets, t.Created), t.Server, t.Route)
			}), "server", "route"),
		collect.Gauge("nginx_access_upstream_duration_seconds", "Time that upstream servers took for a request, all tries added, in seconds.",
			timing(func(c counts, t *timingRow, s collect.Series) {
				s.Histogram(t.Upstream.proto(c.Buckets, t.Created), t.Server, t.Route)
			}), "server", "route"),
		collect.Counter("nginx_access_response_bytes_total", "Bytes sent to clients.",
			timing(func(_ counts, t *timingRow, s collect.Series) { s.Value(float64(t.Sent), t.Server, t.Route) }), "server", "route"),
		collect.Counter("nginx_access_request_bytes_total", "Bytes received from clients, headers and bodies.",
			timing(func(_ counts, t *timingRow, s collect.Series) { s.Value(float64(t.Received), t.Server, t.Route) }), "server", "route"),
		collect.Counter("nginx_access_upstream_cache_total", "Requests that the cache of upstream responses answered or not, by its status.",
			func(c counts, s collect.Series) {
				for _, r := range c.Caches {
					s.Since(float64(r.N), r.Created, r.Server, r.Status)
				}
			}, "server", "status"),
		collect.Counter("nginx_access_series_overflow_total", "Requests counted as other because the series limit was reached.",
			func(c counts, s collect.Series) { s.Value(float64(c.Overflow)) }),
	}
}

// inputRows are about the access logs themselves.
func inputRows() []collect.Row[counts] {
	return []collect.Row[counts]{
		collect.Counter("nginx_access_log_lines_total", "Lines received from an access log, refused ones included.",
			perInput(func(c counts, in *input, s collect.Series) { s.Value(float64(c.Inputs[in.label].Received), in.label) }), "input"),
		collect.Counter("nginx_access_log_lines_refused_total", "Lines that could not be counted, by reason.",
			perInput(func(c counts, in *input, s collect.Series) {
				for _, reason := range refusals {
					s.Value(float64(c.Inputs[in.label].Refused[reason]), in.label, reason)
				}
			}), "input", "reason"),
		collect.Gauge("nginx_access_log_up", "Whether the access log can be read (1) or not (0).",
			perInput(func(_ counts, in *input, s collect.Series) { s.Flag(in.files == nil || in.files.up.Load(), in.label) }), "input"),
		collect.Gauge("nginx_access_log_lag_bytes", "Bytes of the access log that are not counted yet.",
			perFile(func(f *fileSet) float64 { return float64(f.lag.Load()) }), "input"),
		collect.Counter("nginx_access_log_rotations_total", "Rotations and truncations of the access log.",
			perFile(func(f *fileSet) float64 { return float64(f.rotations.Load()) }), "input"),
		collect.Counter("nginx_access_log_lost_files_total", "Rotated files that vanished before they were read to their end.",
			perFile(func(f *fileSet) float64 { return float64(f.lost.Load()) }), "input"),
		collect.Counter("nginx_access_log_datagrams_total", "Syslog datagrams received.",
			perSocket(func(d *datagrams) (float64, bool) { return float64(d.received.Load()), true }), "input"),
		collect.Counter("nginx_access_log_datagrams_dropped_total", "Syslog datagrams that the kernel dropped because the receive buffer was full.",
			perSocket(func(d *datagrams) (float64, bool) { n, ok := d.drops(); return float64(n), ok }), "input"),
		collect.Gauge("nginx_access_log_receive_buffer_bytes", "Receive buffer of the socket that the kernel granted.",
			perSocket(func(d *datagrams) (float64, bool) { return float64(d.buffer), true }), "input"),
	}
}

// timing sends something for each server and route.
func timing(send func(counts, *timingRow, collect.Series)) func(counts, collect.Series) {
	return func(c counts, s collect.Series) {
		for i := range c.Timings {
			send(c, &c.Timings[i], s)
		}
	}
}

// perInput sends something for each access log.
func perInput(send func(counts, *input, collect.Series)) func(counts, collect.Series) {
	return func(c counts, s collect.Series) {
		for _, in := range c.inputs {
			send(c, in, s)
		}
	}
}

// perFile sends a number of each access log that is a file.
func perFile(get func(*fileSet) float64) func(counts, collect.Series) {
	return perInput(func(_ counts, in *input, s collect.Series) {
		if in.files != nil {
			s.Value(get(in.files), in.label)
		}
	})
}

// perSocket sends a number of each access log that comes as datagrams, if it is
// known.
func perSocket(get func(*datagrams) (float64, bool)) func(counts, collect.Series) {
	return perInput(func(_ counts, in *input, s collect.Series) {
		if in.socket == nil {
			return
		}
		if n, ok := get(in.socket); ok {
			s.Value(n, in.label)
		}
	})
}

// Describe sends the descriptors of every metric.
func (a *AccessLog) Describe(ch chan<- *prometheus.Desc) { a.metrics.Describe(ch) }

// Collect sends what is counted. It does no I/O but for the kernel's drop counter.
func (a *AccessLog) Collect(ch chan<- prometheus.Metric) {
	a.mu.Lock()
	s := a.committed
	a.mu.Unlock()
	if s == nil {
		s = a.snapshot()
	}
	a.metrics.Collect(counts{s, a.inputs}, ch)
}

// CollectContext is Collect: nothing in it waits.
func (a *AccessLog) CollectContext(_ context.Context, ch chan<- prometheus.Metric) { a.Collect(ch) }
