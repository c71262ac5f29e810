package ingest

import (
	"context"
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	failurereport "github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// Archive keeps the reports that are counted. It is
// asked to before they are: what is counted is in the archive, and what is in
// the archive twice was about to be counted when something failed.
type Archive interface {
	// Draft returns a place for one report after the other. It serves one
	// goroutine.
	Draft() Draft
	// Sync makes durable what was kept.
	Sync() error
}

// Draft is the part of an Archive that may still be thrown away.
type Draft interface {
	// Begin drops what was not kept. input says where the next report comes from.
	Begin(input string)
	// Record adds a record to the report, of which more may be known later.
	Record(report *dmarc.Report, rec *dmarc.Record)
	// TLS and Failure add a whole report.
	TLS(report *tlsrpt.Report)
	Failure(report *failurereport.Report)
	// Keep appends the report, which is whole, to the archive.
	Keep() error
}

// keep archives a report that is about to be counted.
func (p *Pipeline) keep(ctx context.Context, r *reader, e *tally.Entry) error {
	if r.draft == nil {
		return nil
	}
	result, err := p.store.Peek(ctx, e)
	if err == nil && result.Counted {
		err = r.draft.Keep()
	}
	if err != nil {
		return fmt.Errorf("archive records: %w", err)
	}
	return nil
}
