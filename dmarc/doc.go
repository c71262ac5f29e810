// Package dmarc reads, checks and writes DMARC aggregate reports: RFC 9990
// complete, RFC 7489, and the deviations that reporters really send. It also
// reads policy records (RFC 9989).
//
// [Parse] reads one report with all its records. A [Decoder] reads it record by
// record, in constant memory and, used again, without allocations:
//
//	d := dmarc.NewDecoder(r)
//	var rec dmarc.Record
//	for {
//		err := d.Next(&rec)
//		if errors.Is(err, io.EOF) {
//			break // The report is whole: what was added up may be kept.
//		}
//		if err != nil {
//			return err // A *dmarc.Error: nothing of the report counts.
//		}
//		delta.Add(&rec)
//	}
//
// Both read the XML alone. Package reports reads it, and the reports of packages
// tlsrpt and failure, in whatever they came: package unpack opens that.
//
// # Tolerance
//
// Reports are written by programs of all qualities. What can be repaired is
// repaired, and each repair is a [Warning] in the [Report]: a value that is
// wrong costs one warning, not a record, and a record never costs a report.
// What cannot be repaired without guessing at numbers is refused with an
// [Error] that carries one of a closed set of reasons: a truncated or undated
// report is an error, never a smaller report. The file docs/reports.md lists
// all of them with examples.
//
// # Untrusted input
//
// Anyone can send a report. [Limits] bound the document, its records, values
// and nesting; time grows with the size of the document and never faster;
// entities are not expanded and nothing is fetched; all text that comes out is
// valid UTF-8. Text is not otherwise cleaned: a domain may hold anything.
//
// The package has no logs, no clock, no network and no global state.
package dmarc
