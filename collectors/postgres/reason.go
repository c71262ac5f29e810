package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Reason says in one word why a query, a part of its result or a session
// failed. The set is closed: reasons are label values.
type Reason string

// Reasons why a session could not be had. They explain pg_up 0.
const (
	ReasonRefused     Reason = "refused"     // nothing listens, or no such host
	ReasonAuth        Reason = "auth"        // wrong password, role or pg_hba.conf entry
	ReasonTLS         Reason = "tls"         // no secure connection could be agreed on
	ReasonUnavailable Reason = "unavailable" // starting up, shutting down, too many connections
	ReasonConfig      Reason = "config"      // no usable connection settings
	ReasonConnection  Reason = "connection"  // lost, reset or speaking another protocol
	ReasonTimeout     Reason = "timeout"     // no answer in time; a statement is cancelled on the server
)

// Reasons why a whole query failed. Connection and timeout are among them too.
const (
	ReasonSyntax     Reason = "syntax"     // the statement cannot be parsed or has several commands
	ReasonUndefined  Reason = "undefined"  // a table, column or function does not exist
	ReasonPermission Reason = "permission" // the role may not read this
	ReasonReadOnly   Reason = "read_only"  // the statement tried to write
	ReasonLock       Reason = "lock"       // a lock was not granted within lock_timeout
	ReasonColumn     Reason = "column"     // a declared column is missing from the result
	ReasonServer     Reason = "server"     // any other error the server reported
)

// Reasons why part of a result is not shown. The rest of the query is.
const (
	ReasonDuplicate Reason = "duplicate" // a second row or query with the same labels; the first is kept
	ReasonTruncated Reason = "truncated" // rows past max_rows, labels and messages past their limits
	ReasonNull      Reason = "null"      // a NULL where a number belongs
	ReasonValue     Reason = "value"     // a text that is no number, a histogram that is none
	ReasonUTF8      Reason = "utf8"      // invalid bytes in a label, replaced by U+FFFD
	ReasonClash     Reason = "clash"     // an undeclared column would become a metric that exists already
)

// queryError is a failure of the package's own making with its reason.
type queryError struct {
	reason Reason
	err    error
}

func (e *queryError) Error() string { return e.err.Error() }
func (e *queryError) Unwrap() error { return e.err }

// ReasonOf returns the reason for an error of this package: of the server, of
// the network or of the context. A nil error has the empty reason.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	if own, ok := errors.AsType[*queryError](err); ok {
		return own.reason
	}
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return reasonOfState(server.Code)
	}
	if _, ok := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); ok {
		return ReasonTruncated
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, os.ErrDeadlineExceeded) || pgconn.Timeout(err) {
		return ReasonTimeout
	}
	return reasonOfNetwork(err)
}

func reasonOfNetwork(err error) Reason {
	_, unresolved := errors.AsType[*net.DNSError](err)
	_, unparsed := errors.AsType[*pgconn.ParseConfigError](err)
	switch {
	case unparsed:
		return ReasonConfig
	case unresolved, errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return ReasonRefused
	case isTLS(err):
		return ReasonTLS
	}
	return ReasonConnection
}

// isTLS reports whether err is about TLS. For a server that refuses it the driver
// has no type, only a text.
func isTLS(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return certificate || alert || record || strings.Contains(err.Error(), "tls error")
}

// reasonOfState classifies a SQLSTATE, see the appendix "PostgreSQL Error
// Codes" of the manual.
func reasonOfState(code string) Reason {
	switch code {
	case "57014": // query_canceled: statement_timeout or our own cancel
		return ReasonTimeout
	case "55P03": // lock_not_available
		return ReasonLock
	case "25006": // read_only_sql_transaction
		return ReasonReadOnly
	case "42501": // insufficient_privilege
		return ReasonPermission
	case "3D000": // invalid_catalog_name
		return ReasonConfig
	case "42P01", "42703", "42883", "42704", "3F000":
		return ReasonUndefined
	case "57P01", "57P02", "57P03", "57P05":
		return ReasonUnavailable
	}
	switch {
	case strings.HasPrefix(code, "28"):
		return ReasonAuth
	case strings.HasPrefix(code, "42"):
		return ReasonSyntax
	case strings.HasPrefix(code, "53"):
		return ReasonUnavailable
	case strings.HasPrefix(code, "08"):
		return ReasonConnection
	}
	return ReasonServer
}
