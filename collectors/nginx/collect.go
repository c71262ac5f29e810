package nginx

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// The metrics of an AccessLog.
var (
	requestsDesc = prometheus.NewDesc("nginx_access_requests_total",
		"Requests in the access log by server, method, status and route.", []string{"server", "method", "status", "route"}, nil)
	durationDesc = prometheus.NewDesc("nginx_access_request_duration_seconds",
		"Time from the first byte of a request to the last byte of its response, slow clients included, in seconds.", []string{"server", "route"}, nil)
	upstreamDesc = prometheus.NewDesc("nginx_access_upstream_duration_seconds",
		"Time that upstream servers took for a request, all tries added, in seconds.", []string{"server", "route"}, nil)
	sentDesc = prometheus.NewDesc("nginx_access_response_bytes_total",
		"Bytes sent to clients.", []string{"server", "route"}, nil)
	receivedDesc = prometheus.NewDesc("nginx_access_request_bytes_total",
		"Bytes received from clients, headers and bodies.", []string{"server", "route"}, nil)
	cacheDesc = prometheus.NewDesc("nginx_access_upstream_cache_total",
		"Requests that the cache of upstream responses answered or not, by its status.", []string{"server", "status"}, nil)
	overflowDesc = prometheus.NewDesc("nginx_access_series_overflow_total",
		"Requests counted under other because the budget of series is spent.", nil, nil)
	linesDesc = prometheus.NewDesc("nginx_access_log_lines_total",
		"Lines received from an access log, refused ones included.", []string{"input"}, nil)
	refusedDesc = prometheus.NewDesc("nginx_access_log_lines_refused_total",
		"Lines that could not be counted, by reason.", []string{"input", "reason"}, nil)
	upDesc = prometheus.NewDesc("nginx_access_log_up",
		"Whether the access log can be read (1) or not (0).", []string{"input"}, nil)
	lagDesc = prometheus.NewDesc("nginx_access_log_lag_bytes",
		"Bytes of the access log that are not counted yet.", []string{"input"}, nil)
	rotationsDesc = prometheus.NewDesc("nginx_access_log_rotations_total",
		"Rotations and truncations of the access log.", []string{"input"}, nil)
	lostDesc = prometheus.NewDesc("nginx_access_log_lost_files_total",
		"Rotated files that vanished before they were read to their end.", []string{"input"}, nil)
	datagramsDesc = prometheus.NewDesc("nginx_access_log_datagrams_total",
		"Syslog datagrams received.", []string{"input"}, nil)
	dropsDesc = prometheus.NewDesc("nginx_access_log_datagrams_dropped_total",
		"Syslog datagrams that the kernel dropped because the receive buffer was full.", []string{"input"}, nil)
	bufferDesc = prometheus.NewDesc("nginx_access_log_receive_buffer_bytes",
		"Receive buffer of the socket that the kernel granted.", []string{"input"}, nil)
)

// Describe sends the descriptors of every metric.
func (a *AccessLog) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		requestsDesc, durationDesc, upstreamDesc, sentDesc, receivedDesc, cacheDesc, overflowDesc, linesDesc, refusedDesc,
		upDesc, lagDesc, rotationsDesc, lostDesc, datagramsDesc, dropsDesc, bufferDesc,
	} {
		ch <- d
	}
}

// Collect sends what is counted. It does no I/O but for the kernel's drop counter.
func (a *AccessLog) Collect(ch chan<- prometheus.Metric) {
	a.mu.Lock()
	s := a.committed
	a.mu.Unlock()
	if s == nil {
		s = a.snapshot()
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for _, r := range s.Requests {
		ch <- prometheus.MustNewConstMetricWithCreatedTimestamp(requestsDesc, prometheus.CounterValue, float64(r.N), r.Created,
			r.Server, r.Method, r.Status, r.Route)
	}
	for i := range s.Timings {
		t := &s.Timings[i]
		ch <- t.Duration.metric(durationDesc, s.Buckets, t.Created, t.Server, t.Route)
		ch <- t.Upstream.metric(upstreamDesc, s.Buckets, t.Created, t.Server, t.Route)
		counter(sentDesc, t.Sent, t.Server, t.Route)
		counter(receivedDesc, t.Received, t.Server, t.Route)
	}
	for _, c := range s.Caches {
		ch <- prometheus.MustNewConstMetricWithCreatedTimestamp(cacheDesc, prometheus.CounterValue, float64(c.N), c.Created, c.Server, c.Status)
	}
	counter(overflowDesc, s.Overflow)
	for _, in := range a.inputs {
		row := s.Inputs[in.label]
		counter(linesDesc, row.Received, in.label)
		for _, reason := range refusals {
			counter(refusedDesc, row.Refused[reason], in.label, reason)
		}
		in.collect(ch, counter)
	}
}

// collect sends what an input knows about itself.
func (in *input) collect(ch chan<- prometheus.Metric, counter func(*prometheus.Desc, uint64, ...string)) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, in.label)
	}
	if f := in.files; f != nil {
		up := 0.0
		if f.up.Load() {
			up = 1
		}
		gauge(upDesc, up)
		gauge(lagDesc, float64(f.lag.Load()))
		counter(rotationsDesc, f.rotations.Load(), in.label)
		counter(lostDesc, f.lost.Load(), in.label)
		return
	}
	gauge(upDesc, 1)
	gauge(bufferDesc, float64(in.socket.buffer))
	counter(datagramsDesc, in.socket.received.Load(), in.label)
	if n, ok := in.socket.drops(); ok {
		counter(dropsDesc, n, in.label)
	}
}

// CollectContext is Collect: nothing in it waits.
func (a *AccessLog) CollectContext(_ context.Context, ch chan<- prometheus.Metric) { a.Collect(ch) }
