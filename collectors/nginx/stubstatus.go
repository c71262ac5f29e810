package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// stubStatus is one answer of ngx_http_stub_status_module.
type stubStatus struct {
	active, accepted, handled, requests uint64
	reading, writing, waiting           uint64
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
