// Package nginx turns nginx's two sources of numbers into metrics.
//
// StubStatus reads the counters of ngx_http_stub_status_module, one request a
// target and scrape. It knows connections and requests, but neither status
// codes nor latencies.
//
// AccessLog counts the lines of access logs by server, method, status and
// route, with request and upstream durations: what availability and latency
// objectives are computed from. Lines come from files, which survive rotation
// and restarts without loss or double counting, or as syslog datagrams, whose
// losses are counted.
//
// Everything in a log line is untrusted input. No label value is:
// methods and statuses are closed sets, servers and routes are configured or
// bounded by a budget, and what is beyond it is counted as "other".
package nginx
