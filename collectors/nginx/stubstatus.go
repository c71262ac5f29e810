package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// stubStatus is one answer of ngx_http_stub_status_module.
type stubStatus struct {
	active, accepted, handled, requests uint64
	reading, writing, waiting           uint64
}

// stubStatusRows are the metrics of a StubStatus.
func stubStatusRows(lines func() uint64) []collect.Row[*visit] {
	rows := []collect.Row[*visit]{
		collect.Gauge("nginx_up", "Whether the last scrape of nginx succeeded (1) or not (0).", func(v *visit, s collect.Series) { s.Flag(v.err == nil) }),
		collect.Counter("nginx_connections_accepted", "Accepted client connections.", answered(func(s *stubStatus) uint64 { return s.accepted })),
		collect.Gauge("nginx_connections_active", "Active client connections, waiting ones included.", answered(func(s *stubStatus) uint64 { return s.active })),
		collect.Counter("nginx_connections_handled", "Handled client connections.", answered(func(s *stubStatus) uint64 { return s.handled })),
		collect.Gauge("nginx_connections_reading", "Connections where nginx is reading the request header.", answered(func(s *stubStatus) uint64 { return s.reading })),
		collect.Counter("nginx_http_requests_total", "Total client requests.", answered(func(s *stubStatus) uint64 { return s.requests })),
		collect.Gauge("nginx_connections_waiting", "Idle client connections waiting for a request.", answered(func(s *stubStatus) uint64 { return s.waiting })),
		collect.Gauge("nginx_connections_writing", "Connections where nginx is writing the response.", answered(func(s *stubStatus) uint64 { return s.writing })),
		collect.Gauge("nginx_exporter_scrape_duration_seconds", "How long the last scrape of this target took in seconds.",
			func(v *visit, s collect.Series) { s.Value(v.took.Seconds()) }),
		collect.Counter("nginx_exporter_scrape_errors_total", "Failed scrapes of this target by reason.",
			func(v *visit, s collect.Series) {
				for _, reason := range reasons {
					s.Value(float64(v.failures[reason].Load()), string(reason))
				}
			}, "reason"),
	}
	if lines != nil {
		rows = append(rows, collect.Gauge("nginx_access_log_missing_requests",
			"Requests that nginx counted and whose access log lines did not arrive, since both were first seen; lines in flight and locations without access log count too.",
			func(v *visit, s collect.Series) {
				if v.err == nil {
					s.Value(v.loss.missing(v.status.requests, lines()))
				}
			}))
	}
	return rows
}

// answered sends a number of the answer, if there was one.
func answered(get func(*stubStatus) uint64) func(*visit, collect.Series) {
	return func(v *visit, s collect.Series) {
		if v.err == nil {
			s.Value(float64(get(&v.status)))
		}
	}
}

// maxStubStatus bounds the body: real answers have some 100 bytes.
const maxStubStatus = 16 << 10

var errNotStubStatus = errors.New("not a stub_status answer")

// parseStubStatus reads the text form that nginx has used since 0.7.5 and
// that freenginx, Angie and Tengine share:
//
//	Active connections: 2
//	server accepts handled requests
//	 5 5 7
//	Reading: 0 Writing: 1 Waiting: 1
//
// Tengine adds a request_time column behind requests; numbers beyond the
// known ones are ignored. Order and white space are not relied upon.
func parseStubStatus(r io.Reader) (stubStatus, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxStubStatus+1))
	if err != nil {
		return stubStatus{}, err
	}
	if len(body) > maxStubStatus {
		return stubStatus{}, fmt.Errorf("%w: more than %d bytes", errNotStubStatus, maxStubStatus)
	}
	var s stubStatus
	fields := bytes.Fields(body)
	seen := 0
	for i := 0; i < len(fields); i++ {
		switch string(bytes.ToLower(fields[i])) {
		case "connections:":
			seen += number(fields, i+1, &s.active)
		case "reading:":
			seen += number(fields, i+1, &s.reading)
		case "writing:":
			seen += number(fields, i+1, &s.writing)
		case "waiting:":
			seen += number(fields, i+1, &s.waiting)
		case "accepts":
			first := firstNumber(fields, i)
			seen += number(fields, first, &s.accepted)
			seen += number(fields, first+1, &s.handled)
			seen += number(fields, first+2, &s.requests)
		}
	}
	if seen != 7 {
		return stubStatus{}, fmt.Errorf("%w: %d of 7 numbers found", errNotStubStatus, seen)
	}
	return s, nil
}

// number stores the number at fields[i] and returns how many it stored.
func number(fields [][]byte, i int, into *uint64) int {
	if i >= len(fields) {
		return 0
	}
	n, err := strconv.ParseUint(string(fields[i]), 10, 64)
	if err != nil {
		return 0
	}
	*into = n
	return 1
}

// firstNumber returns the index of the first field behind i that starts with a
// digit: the header row names a column more in Tengine.
func firstNumber(fields [][]byte, i int) int {
	for i++; i < len(fields); i++ {
		if c := fields[i][0]; c >= '0' && c <= '9' {
			break
		}
	}
	return i
}
