package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// Reason says why a server, a command or a script gave no answer. It is one of
// the constants, so that it can be the value of a label.
type Reason string

// The values of Reason.
const (
	ReasonNone        Reason = ""            // no error
	ReasonAuth        Reason = "auth"        // wrong, missing or unreadable credentials
	ReasonRefused     Reason = "refused"     // nobody listens there
	ReasonTimeout     Reason = "timeout"     // no answer within the deadline
	ReasonLoading     Reason = "loading"     // the server is still loading its data
	ReasonBusy        Reason = "busy"        // a script keeps the server from answering
	ReasonTLS         Reason = "tls"         // the handshake or a certificate was refused
	ReasonDNS         Reason = "dns"         // the host name has no address
	ReasonProtocol    Reason = "protocol"    // the answer is not Redis's protocol
	ReasonDenied      Reason = "denied"      // the user may not run the command
	ReasonUnsupported Reason = "unsupported" // the server does not know the command
	ReasonLimit       Reason = "limit"       // the server has too many clients
	ReasonClosed      Reason = "closed"      // the connection was closed or reset
	ReasonNetwork     Reason = "network"     // the host cannot be reached
	ReasonSentinel    Reason = "sentinel"    // no sentinel knows the master
	ReasonCanceled    Reason = "canceled"    // the caller went away
	ReasonBudget      Reason = "budget"      // there is more to do than the configuration allows
	ReasonOther       Reason = "other"       // anything else
)

// replyReasons are the first words of error replies.
var replyReasons = []struct {
	prefix string
	reason Reason
}{
	{"NOAUTH", ReasonAuth},
	{"WRONGPASS", ReasonAuth},
	{"ERR invalid password", ReasonAuth},
	{"ERR Client sent AUTH", ReasonAuth},
	{"ERR AUTH ", ReasonAuth},
	{"LOADING", ReasonLoading},
	{"BUSY", ReasonBusy},
	{"NOPERM", ReasonDenied},
	{"ERR max number of clients", ReasonLimit},
	{"ERR unknown", ReasonUnsupported},
	{"ERR Unknown", ReasonUnsupported},
	{"ERR syntax", ReasonUnsupported},
	{"ERR This instance has cluster support disabled", ReasonUnsupported},
}

// errnoReasons are the errors of the operating system.
var errnoReasons = []struct {
	errno  error
	reason Reason
}{
	{syscall.ECONNREFUSED, ReasonRefused},
	{fs.ErrNotExist, ReasonRefused}, // of a socket
	{syscall.ENETUNREACH, ReasonNetwork},
	{syscall.EHOSTUNREACH, ReasonNetwork},
	{fs.ErrPermission, ReasonNetwork},
	{syscall.ECONNRESET, ReasonClosed},
	{syscall.EPIPE, ReasonClosed},
	{io.EOF, ReasonClosed},
	{io.ErrUnexpectedEOF, ReasonClosed},
	{net.ErrClosed, ReasonClosed},
	{redis.ErrClosed, ReasonClosed},
	{redis.ErrPoolTimeout, ReasonTimeout},
	{redis.ErrPoolExhausted, ReasonTimeout},
	{os.ErrDeadlineExceeded, ReasonTimeout},
	{context.DeadlineExceeded, ReasonTimeout},
	{context.Canceled, ReasonCanceled},
	{errBudget, ReasonBudget},
}

// A CredentialsError says that a password could not be had, for example because
// its file is unreadable. Clients return it from their credentials provider.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return "read credentials: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *CredentialsError) Unwrap() error { return e.Err }

// ReasonOf classifies an error of a Redis client.
func ReasonOf(err error) Reason {
	if err == nil {
		return ReasonNone
	}
	if reply, ok := errors.AsType[redis.Error](err); ok {
		return reasonOfReply(reply.Error())
	}
	if _, ok := errors.AsType[*CredentialsError](err); ok {
		return ReasonAuth
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return ReasonDNS
	}
	if isTLS(err) {
		return ReasonTLS
	}
	if strings.Contains(err.Error(), "all sentinels") {
		return ReasonSentinel // Before the causes it wraps, one for each sentinel.
	}
	for _, e := range errnoReasons {
		if errors.Is(err, e.errno) {
			return e.reason
		}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return ReasonTimeout
	}
	return reasonOfText(err.Error())
}

func reasonOfReply(text string) Reason {
	for _, r := range replyReasons {
		if strings.HasPrefix(text, r.prefix) {
			return r.reason
		}
	}
	return reasonOfText(text)
}

// reasonOfText is for errors of the client that have no type.
func reasonOfText(text string) Reason {
	switch {
	case strings.Contains(text, "can't parse"), strings.Contains(text, "invalid reply"),
		strings.Contains(text, "invalid bulk"), strings.Contains(text, "unexpected"):
		return ReasonProtocol
	}
	return ReasonOther
}

// isTLS reports whether err is about a handshake or a certificate.
func isTLS(err error) bool {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	// An alert of the peer has no exported type.
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "remote error" || op.Op == "local error")
}

// redact returns the text of err without what a server may have quoted.
//
// A server that does not know HELLO or AUTH answers with the arguments it got,
// and these hold the password.
func redact(err error) string {
	text := err.Error()
	if at := strings.Index(text, "args beginning with"); at >= 0 {
		text = strings.TrimRight(text[:at], ", ")
		text = strings.TrimSuffix(text, ", with")
	}
	const limit = 300
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
