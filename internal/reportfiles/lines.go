package reportfiles

import (
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
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
