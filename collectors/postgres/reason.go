package postgres

import (
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/internal/session"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Reason is why a query, a part of its result or a session failed, in one word.
// The set is closed: reasons are label values. The words for causes that all
// servers have in common are auth, canceled, denied, dns, panic, protocol,
// refused, reset, timeout, tls, unreachable and other; the constants are
// PostgreSQL's own. The empty reason stands for no error.
type Reason = collect.Reason

// Reasons why a session could not be had, or a whole query failed.
const (
	ReasonConfig      = session.ReasonConfig      // no usable connection settings
	ReasonUnavailable = session.ReasonUnavailable // starting up, shutting down, too many connections

	ReasonSyntax    = session.ReasonSyntax    // the statement cannot be parsed or has several commands
	ReasonUndefined = session.ReasonUndefined // a table, column or function does not exist
	ReasonReadOnly  = session.ReasonReadOnly  // the statement tried to write
	ReasonLock      = session.ReasonLock      // a lock was not granted within lock_timeout
	ReasonServer    = session.ReasonServer    // any other error the server reported

	ReasonColumn Reason = "column" // a declared column is missing from the result
)

// Reasons why part of a result is not shown. The rest of the query is.
const (
	ReasonDuplicate Reason = "duplicate"             // a second row or query with the same labels; the first is kept
	ReasonTruncated        = session.ReasonTruncated // rows past max_rows, labels and messages past their limits
	ReasonNull      Reason = "null"                  // a NULL where a number belongs
	ReasonValue     Reason = "value"                 // a text that is no number, a histogram that is none
	ReasonUTF8      Reason = "utf8"                  // invalid bytes in a label, replaced by U+FFFD
	ReasonClash     Reason = "clash"                 // an undeclared column would become a metric that exists already
)

// ReasonOf returns the reason for an error of this package: of the server, of
// the network or of the context. A nil error has the empty reason.
func ReasonOf(err error) Reason {
	if err == nil {
		return collect.None
	}
	return session.ReasonOf(err)
}
