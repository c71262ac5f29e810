package reportfiles

import (
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// draft holds the lines of a report that may still turn out not to be whole.
type draft struct {
	archive *Archive
	header  reportjson.Header
	lines   recordLines
	text    spill
	report  *dmarc.Report
}

// Begin drops what was not kept.
func (d *draft) Begin(input string) {
	d.header, d.report = reportjson.Header{Path: input, Received: d.archive.config.Now().UTC().Truncate(time.Second)}, nil
	d.lines.drop()
	d.text.reset()
}

// Record adds a record.
func (d *draft) Record(report *dmarc.Report, rec *dmarc.Record) {
	d.report = report
	d.lines.add(d.header, report, rec, d.print)
}

// TLS adds the policies of a report.
func (d *draft) TLS(report *tlsrpt.Report) {
	for i := range report.Policies {
		d.print(reportjson.NewPolicy(d.header, report, &report.Policies[i]))
	}
}

// Failure adds a report without what may be personal.
func (d *draft) Failure(report *failure.Report) {
	r := *report
	r.OriginalRcptTo, r.Warnings = slices.Clone(r.OriginalRcptTo), nil
	r.Redact()
	d.print(reportjson.NewFailure(d.header, &r))
}

// print writes a line; its errors are kept for Keep.
func (d *draft) print(l reportjson.Line) { _ = reportjson.Write(&d.text, l) }

// Keep appends the lines to the archive.
func (d *draft) Keep() error {
	if d.report != nil {
		d.lines.flush(d.header, d.report, d.print)
	}
	if d.text.err != nil {
		return d.text.err
	}
	if d.text.size == 0 {
		return nil
	}
	return d.archive.append(&d.text)
}
