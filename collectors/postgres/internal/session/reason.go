package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// The reasons of PostgreSQL's own, beside those of all servers.
const (
	ReasonConfig      collect.Reason = "config"      // no usable connection settings
	ReasonLock        collect.Reason = "lock"        // a lock was not granted within lock_timeout
	ReasonReadOnly    collect.Reason = "read_only"   // the statement tried to write
	ReasonServer      collect.Reason = "server"      // any other error the server reported
	ReasonSyntax      collect.Reason = "syntax"      // the statement cannot be parsed or has several commands
	ReasonTruncated   collect.Reason = "truncated"   // a row is longer than a message may be
	ReasonUnavailable collect.Reason = "unavailable" // starting up, shutting down, too many connections
	ReasonUndefined   collect.Reason = "undefined"   // a table, column or function does not exist
)

// ReasonOf returns the reason of an error of the server, of the network or of the
// context.
func ReasonOf(err error) collect.Reason {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		if server.Code == "08P01" && IsStatement(err) { // of its parameters, not of a connection
			return ReasonSyntax
		}
		if server.Code == "08P01" {
			return reasonOfPooler(server.Message)
		}
		return reasonOfState(server.Code)
	}
	if _, ok := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); ok {
		return ReasonTruncated
	}
	reason := collect.ReasonOf(err)
	if reason != collect.Other {
		return reason
	}
	switch text := err.Error(); {
	case is[*pgconn.ParseConfigError](err):
		return ReasonConfig
	case pgconn.Timeout(err):
		return collect.Timeout
	// For a server that refuses TLS, and for answers of another protocol, the
	// driver has no types.
	case strings.Contains(text, "tls error"):
		return collect.TLS
	case is[*pgconn.ConnectError](err), errors.Is(err, errLost):
		return collect.Protocol
	}
	return collect.Other
}

// poolerReasons are the reasons of PgBouncer, which has the same code for all of its own
// errors, by what its messages have in them.
var poolerReasons = []struct {
	text   string
	reason collect.Reason
}{
	{"authentication failed", collect.Auth},
	{"no such user", collect.Auth},
	{"not allowed", collect.Auth},
	{"no such database", ReasonConfig},
	{"is disabled", ReasonUnavailable},
	{"no more connections", ReasonUnavailable},
	{"cannot connect to server", ReasonUnavailable},
	{"login has been failing", ReasonUnavailable},
	{"shutting down", ReasonUnavailable},
	{"query_wait_timeout", ReasonUnavailable},
}

func reasonOfPooler(message string) collect.Reason {
	for _, p := range poolerReasons {
		if strings.Contains(message, p.text) {
			return p.reason
		}
	}
	return collect.Reset
}

// IsStatement reports whether an error is about a statement, which the server has read.
// Those about a session are fatal to it.
func IsStatement(err error) bool {
	server, ok := errors.AsType[*pgconn.PgError](err)
	return ok && server.Severity == "ERROR"
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// reasonOfState classifies a SQLSTATE, see the appendix "PostgreSQL Error
// Codes" of the manual.
func reasonOfState(code string) collect.Reason {
	switch code {
	case "57014": // query_canceled: statement_timeout or our own cancel
		return collect.Timeout
	case "55P03": // lock_not_available
		return ReasonLock
	case "25006": // read_only_sql_transaction
		return ReasonReadOnly
	case "42501": // insufficient_privilege
		return collect.Denied
	case "3D000": // invalid_catalog_name
		return ReasonConfig
	case "42P01", "42703", "42883", "42704", "3F000":
		return ReasonUndefined
	case "57P01", "57P02", "57P03", "57P05":
		return ReasonUnavailable
	}
	switch {
	case strings.HasPrefix(code, "28"):
		return collect.Auth
	case strings.HasPrefix(code, "42"):
		return ReasonSyntax
	case strings.HasPrefix(code, "53"):
		return ReasonUnavailable
	case strings.HasPrefix(code, "08"):
		return collect.Reset
	}
	return ReasonServer
}

// Position returns the place in the statement that the server complains about,
// in characters counted from 1, or 0.
func Position(err error) int {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return int(server.Position)
	}
	return 0
}

// Explain puts an error in words for the author of a statement.
func Explain(err error) string {
	server, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fmt.Sprintf("%s: %v", ReasonOf(err), err)
	}
	text := fmt.Sprintf("%s: %s (SQLSTATE %s)", ReasonOf(err), server.Message, server.Code)
	if server.Hint != "" {
		text += ". " + server.Hint
	}
	return text
}

// Public returns an error that is safe to log: messages of the server that may
// quote data are reduced to their code.
func Public(err error) error {
	server, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if errors.Is(err, context.DeadlineExceeded) {
			return context.DeadlineExceeded
		}
		return err
	}
	for _, class := range []string{"08", "0A", "25", "28", "3D", "3F", "42", "53", "55", "57"} {
		if strings.HasPrefix(server.Code, class) {
			return err
		}
	}
	return errors.New("SQLSTATE " + server.Code)
}
