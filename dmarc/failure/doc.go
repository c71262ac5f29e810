// Package failure reads DMARC failure reports: what a receiver says about one
// message that failed authentication (RFC 9991, and RFC 6591 and RFC 5965
// which it builds on).
//
// [Parse] reads the mail that carries the report, as package unpack gives it
// out, or a bare message/feedback-report. It finds the feedback report in any
// transfer encoding and under any media type, and it reads the plain text that
// Exim sends in place of one.
//
// A feedback report about anything but authentication, such as a spam
// complaint, is refused with the reason not_dmarc.
//
// # Evidence
//
// A failure report carries the message that failed, or its header, which is
// untrusted input of a third party. Nothing in it is ever read as a report: three fields of
// its header are all that [Evidence] keeps.
//
// # Privacy
//
// No body, subject or recipient of the failed message is kept, unless the
// reporter repeats it in a field of the report. [Report.Redact] removes the
// local parts of addresses from those too.
//
// # Identity-Alignment
//
// The field has two opposite meanings. By RFC 7489 it lists the mechanisms
// that produced an aligned identifier, by RFC 9991 those that failed to. The
// package keeps the words and takes no side.
package failure
