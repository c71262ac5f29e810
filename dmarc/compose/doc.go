// Package compose makes reports, for programs that receive mail. Aggregate reports
// (RFC 9990): evaluated messages become rows, rows a report, and a report one or
// more mails.
//
//	v, err := evaluator.Evaluate(ctx, message)    // package dmarc
//	rows.Add(&dmarc.Record{SourceIP: ip, Count: 1, Disposition: v.Disposition, DKIM: v.DKIM, SPF: v.SPF, …})
//	…
//	err = report.Mails(send)                      // once a day
//
// A report is about one policy domain and one period: keep a Rows for each.
// Failure reports (RFC 9991): what the policy of a message asks for becomes a
// mail, without personal data unless that is asked for.
//
//	if r := compose.Wanted(message, v); r != nil {
//		r.SourceIP, r.Arrival = ip, time
//		mail, err := (&compose.Failure{Report: r, …}).Mail()
//	}
//
// Sending is the caller's business, as is asking where reports may go
// (dmarc.CheckDestinations) and signing with DKIM, which RFC 9990, section 3.5.2
// demands. The package has no clock and no network.
package compose
