// Package unpack finds the report documents inside whatever a mailbox, an
// upload or a directory holds.
//
// Reports arrive as XML or JSON, but seldom bare: in gzip, zip, zlib or tar,
// one inside another, as parts of MIME mails that are nested, mistyped or
// damaged, and in mbox files. [Walk] takes any reader and calls a function for
// every document inside, in order of appearance:
//
//	err := unpack.Walk(r, unpack.Limits{}, func(doc *unpack.Document) error {
//		if doc.Err != nil {
//			return nil // this member is damaged; the others still come
//		}
//		report, err := dmarc.Parse(doc.Reader)
//		…
//	})
//
// Package reports reads the documents too, in one call.
//
// Content decides what a thing is. Names, media types and subjects are never
// trusted; they only make [Document].Name readable.
//
// # Three kinds
//
// A document is an aggregate report ([KindAggregate]), an SMTP TLS report
// ([KindTLS]) or a failure report ([KindFailure]). A failure report is given
// out as the whole mail, and nothing else of that mail is ever visited: the
// message it complains about is untrusted input, and a report attached
// to that message is evidence, not a report. The same holds for what a bounce
// returns.
//
// # Untrusted input
//
// Everything is bounded by [Limits], whose zero value is safe: memory, depth,
// parts, members, unpacked bytes and the expansion ratio. Time is linear in the
// bytes read and unpacked. XML and JSON, also behind gzip, zlib and tar, stream
// in constant memory; mails and zip archives are held in memory.
//
// A document that turns out to be damaged or too large while it is being read
// ends in an error of its Reader, never in io.EOF. Read to io.EOF before
// anything is counted.
//
// A [Walker] keeps its buffers from one input to the next. One Walker serves
// one goroutine; there is no shared state.
package unpack
