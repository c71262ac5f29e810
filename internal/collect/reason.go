package collect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
)

// Reason is why something did not answer. It is the value of a label, so each
// collector has a closed set: the words below, and those of its own server.
type Reason string

// The causes that all servers have in common. The same cause has the same word
// in every collector.
const (
	None        Reason = ""            // no error
	Auth        Reason = "auth"        // credentials or their owner were not accepted, or could not be read
	Canceled    Reason = "canceled"    // the caller went away
	Denied      Reason = "denied"      // the user may not do this
	DNS         Reason = "dns"         // the host name could not be resolved
	Panic       Reason = "panic"       // the collector has a bug
	Protocol    Reason = "protocol"    // the answer is not that of such a server
	Refused     Reason = "refused"     // nothing listens there, or there is no such socket
	Reset       Reason = "reset"       // the server reset or closed the connection
	Timeout     Reason = "timeout"     // no answer in time
	TLS         Reason = "tls"         // no secure connection could be agreed on
	Unreachable Reason = "unreachable" // there is no way to the host, or no permission to take it
	Other       Reason = "other"       // anything else
)

// Error is an error that knows its reason.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without its reason.
func (e *Error) Unwrap() error { return e.Err }

// errnos are the reasons of errors that are compared by identity.
var errnos = []struct {
	err    error
	reason Reason
}{
	{syscall.ECONNREFUSED, Refused},
	{fs.ErrNotExist, Refused}, // of a socket
	{syscall.ENETUNREACH, Unreachable},
	{syscall.EHOSTUNREACH, Unreachable},
	{syscall.EHOSTDOWN, Unreachable},
	{fs.ErrPermission, Unreachable},
	{syscall.ECONNRESET, Reset},
	{syscall.ECONNABORTED, Reset},
	{syscall.EPIPE, Reset},
	{io.EOF, Reset},
	{io.ErrUnexpectedEOF, Reset},
	{net.ErrClosed, Reset},
	{os.ErrDeadlineExceeded, Timeout},
	{context.DeadlineExceeded, Timeout},
}

// ReasonOf returns the reason of err: the one that it brings, or that of the
// network, of TLS or of a context.
//
// A name that is not resolved in time is DNS, not Timeout: that is where to look.
func ReasonOf(err error) Reason {
	if err == nil {
		return None
	}
	if own, ok := errors.AsType[*Error](err); ok {
		return own.Reason
	}
	if _, ok := errors.AsType[*PanicError](err); ok {
		return Panic
	}
	if errors.Is(err, context.Canceled) {
		return Canceled
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return DNS
	}
	if isTLS(err) {
		return TLS
	}
	for _, e := range errnos {
		if errors.Is(err, e.err) {
			return e.reason
		}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return Timeout
	}
	return Other
}

// isTLS reports whether err is about a handshake or a certificate.
func isTLS(err error) bool {
	switch {
	case is[tls.RecordHeaderError](err), is[*tls.CertificateVerificationError](err), is[tls.AlertError](err),
		is[x509.HostnameError](err), is[x509.UnknownAuthorityError](err), is[x509.CertificateInvalidError](err),
		errors.Is(err, http.ErrSchemeMismatch):
		return true
	}
	// An alert of the other side has no exported type.
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "remote error" || op.Op == "local error")
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
