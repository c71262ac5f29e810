// Package mime walks through the parts of a mail (RFC 2045, RFC 2046) in one
// pass, and reads header fields and transfer encodings, all of it as leniently
// as mails that were damaged on their way need it.
//
// It decides once, for package unpack which looks for reports and for package
// failure which reads one of them, where a part begins and ends, what a field is called
// and which part is a feedback report. Both must agree, because what
// stands behind a feedback report is evidence and is never read.
package mime
