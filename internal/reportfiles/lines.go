package reportfiles

import (
	"errors"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// heldRecords is how many records wait for a header that comes late.
const heldRecords = 1000

// recordLines makes lines of the records of a report. Few reports have their
// header at the end; their first records are held back for it.
type recordLines struct{ held []dmarc.Record }

// add emits the line of a record and those that waited, or holds it back.
func (l *recordLines) add(header reportjson.Header, report *dmarc.Report, record *dmarc.Record, emit func(reportjson.Line)) {
	if (report.Metadata.End.IsZero() || report.Policy.Domain == "") && len(l.held) < heldRecords {
		l.held = append(l.held, record.Clone())
		return
	}
	l.flush(header, report, emit)
	emit(reportjson.NewRecord(header, report, record))
}

// flush emits the lines that waited.
func (l *recordLines) flush(header reportjson.Header, report *dmarc.Report, emit func(reportjson.Line)) {
	for i := range l.held {
		emit(reportjson.NewRecord(header, report, &l.held[i]))
	}
	l.drop()
}

// drop forgets the records that waited.
func (l *recordLines) drop() { l.held = nil }

// parseAggregate prints the records of an aggregate report as they are read.
func parseAggregate(d *dmarc.Decoder, r io.Reader, header reportjson.Header, emit func(reportjson.Line)) error {
	d.Reset(r)
	var record dmarc.Record
	var lines recordLines
	for {
		err := d.Next(&record)
		if err != nil {
			lines.flush(header, d.Report(), emit)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		lines.add(header, d.Report(), &record, emit)
	}
}

// parseTLS prints the policies of a TLS report.
func parseTLS(r io.Reader, header reportjson.Header, emit func(reportjson.Line)) error {
	report, err := tlsrpt.Parser{Text: i18n.Text()}.Parse(r)
	if err != nil {
		return err
	}
	for i := range report.Policies {
		emit(reportjson.NewPolicy(header, report, &report.Policies[i]))
	}
	return nil
}

// parseFailure prints a failure report.
func parseFailure(r io.Reader, header reportjson.Header, emit func(reportjson.Line)) error {
	report, err := failure.Parser{Text: i18n.Text()}.Parse(r)
	if err != nil {
		return err
	}
	emit(reportjson.NewFailure(header, report))
	return nil
}
