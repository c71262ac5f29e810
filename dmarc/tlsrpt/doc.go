// Package tlsrpt reads SMTP TLS reports (RFC 8460): how many SMTP sessions to
// a domain were protected by TLS as its MTA-STS or DANE policy demands, and
// why the others failed.
//
// [Parse] reads one report, as JSON that is already unpacked; package unpack
// finds it in mails and archives. It reads what reporters really send: a byte
// order mark, a null instead of a list, a string instead of an array, counts in
// quotation marks, dates without a zone. Whatever it repairs, defaults or drops
// is a warning on the report, whose codes [Codes] lists.
//
// The numbers of a report come from its summaries alone. Failure details
// explain them, but real details often do not add up.
//
// A report that is not whole is an error, never a smaller report: errors are
// of type *dmarc.Error and carry one of a closed set of reasons.
//
// A report is untrusted input. [Limits] bound the bytes, the depth and the
// entries, and strings are cut; the zero Limits is safe.
package tlsrpt
