// Package reports reads reports of all kinds out of any bytes: a mail, a gzip, a
// zip, an mbox or the bare document. It is packages unpack, dmarc, tlsrpt and
// failure in one call:
//
//	err := reports.Read(r, func(report *reports.Report) error {
//		switch {
//		case report.Err != nil: // this document is damaged; the others still come
//		case report.Aggregate != nil: // RFC 9990, RFC 7489
//		case report.TLS != nil: // RFC 8460
//		case report.Failure != nil: // RFC 9991
//		}
//		return nil
//	})
//
// A report is whole, or it has an error: of a truncated one there is nothing but
// Err. A [Reader] reads many inputs with the same buffers, gives out the records
// of large reports one by one, and takes limits and character sets.
//
// Package reportjson writes the reports as JSON, and package tally counts them.
package reports
