package dmarc

import "fmt"

// Reason is why an input was refused. The set is closed: the same words
// appear in errors, logs, the metric dmarc_reports_invalid_total, the names of
// quarantine folders and the output of dmarc_exporter check.
type Reason string

// The reasons for refusing an input, all of them.
const (
	ReasonNotAReport  Reason = "not_a_report" // nothing in the input is a DMARC, TLS or failure report
	ReasonEmpty       Reason = "empty"        // no bytes, or only white space
	ReasonSyntax      Reason = "syntax"       // not well-formed beyond what is repaired
	ReasonTruncated   Reason = "truncated"    // the input ends before the report does
	ReasonCorrupt     Reason = "corrupt"      // a compressed or encoded layer is damaged (CRC, Huffman codes, base64)
	ReasonEncoding    Reason = "encoding"     // a character set or transfer encoding that is not supported
	ReasonEncrypted   Reason = "encrypted"    // an encrypted archive or mail
	ReasonNoDates     Reason = "no_dates"     // the reporting period is missing or unreadable
	ReasonNoDomain    Reason = "no_domain"    // the policy domain is missing
	ReasonTooLarge    Reason = "too_large"    // more bytes than Limits allow
	ReasonTooDeep     Reason = "too_deep"     // more nesting than Limits allow
	ReasonTooMany     Reason = "too_many"     // more members, parts or records than Limits allow
	ReasonRatio       Reason = "ratio"        // expands further than Limits allow: a decompression bomb
	ReasonTooCostly   Reason = "too_costly"   // takes more work to read than Limits allow
	ReasonNotDMARC    Reason = "not_dmarc"    // a feedback report about something else, such as spam
	ReasonUnsupported Reason = "unsupported"  // a container that is recognised but not read, such as an Outlook .msg
	ReasonAbsurd      Reason = "absurd"       // more messages than a record or a report can have
	ReasonUntrusted   Reason = "untrusted"    // the mail that carried the report failed authentication
	ReasonIO          Reason = "io"           // the input could not be read
)

// Reasons returns every Reason, in the order of documentation.
func Reasons() []Reason {
	return []Reason{
		ReasonNotAReport, ReasonEmpty, ReasonSyntax, ReasonTruncated, ReasonCorrupt, ReasonEncoding,
		ReasonEncrypted, ReasonNoDates, ReasonNoDomain, ReasonTooLarge, ReasonTooDeep, ReasonTooMany,
		ReasonRatio, ReasonTooCostly, ReasonNotDMARC, ReasonUnsupported, ReasonAbsurd, ReasonUntrusted,
		ReasonIO,
	}
}

// Error is the error of every decoder in this module that refuses an input.
type Error struct {
	Reason Reason
	// Line counts from 1; 0 means unknown.
	Line int
	// Offset is the byte offset in the document after decompression; -1 means unknown.
	Offset int64
	// Err is what was found. It never quotes more than a few bytes of input.
	Err error
}

// Error returns the reason, the position where it is known, and the cause.
func (e *Error) Error() string {
	s := string(e.Reason)
	if e.Line > 0 {
		s += fmt.Sprintf(": line %d, byte %d", e.Line, e.Offset)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
