package nginx

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
)

// reasons are the values of the label reason of
// nginx_exporter_scrape_errors_total, a closed set.
var reasons = []string{"canceled", "dns", "parse", "refused", "status", "timeout", "tls", "other"}

// statusError is an answer other than 200.
type statusError struct{ status string }

func (e *statusError) Error() string { return "answered " + e.status }

// reasonOf maps an error of a scrape to one of reasons.
func reasonOf(err error) string {
	var (
		status  *statusError
		dns     *net.DNSError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &status):
		return "status"
	case errors.Is(err, errNotStubStatus):
		return "parse"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &dns):
		return "dns"
	case errors.As(err, &verify), errors.As(err, &record), errors.As(err, &alert):
		return "tls"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return "refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "other"
}
