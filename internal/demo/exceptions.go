package main

import "strings"

// exceptions are the expressions that have no data while all is well, or on
// some hosts, and why.
var exceptions = []struct{ where, reason string }{
	{"dmarc-exporters / Failed queries, by reason", "no query fails"},
	{"dmarc-exporters / Failed scrapes of nginx, by reason", "no scrape fails"},
	{"dmarc-backup / Missing WAL segments", "no segment is missing"},
}

// silent returns why an expression may have no data, or "".
func silent(where string) string {
	for _, e := range exceptions {
		if strings.HasPrefix(where, e.where+" ") {
			return e.reason
		}
	}
	return ""
}

// ofHost reports whether an alert is about the machine that the demo runs on,
// which may be busy, full, or without a clock of its own, or about how fast it is.
func ofHost(name string) bool {
	for _, prefix := range []string{"Node", "ExporterSlow", "HTTPLatencyHigh", "PostgresQueriesSlow"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasSuffix(name, " of database") || strings.Contains(name, " of latency")
}
