package ingesttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// The mistakes that a kill test must find, made on purpose: what does not fail
// with them proves nothing without them.

// NoDedupe is the mistake of a store without identities and marks.
type NoDedupe struct {
	*store.Store
	// Trap is before CommitAll returns: where a kill shows the mistake.
	Trap Trap
}

// CommitAll makes each report another one.
func (s NoDedupe) CommitAll(ctx context.Context, deliveries ...*store.Delivery) ([][]tally.Result, error) {
	for _, d := range deliveries {
		for _, e := range d.Entries {
			e.ReportID = fmt.Sprint(e.ReportID, time.Now().UnixNano())
		}
		d.Key = ""
	}
	results, err := s.Store.CommitAll(ctx, deliveries...)
	s.Trap.Stop()
	return results, err
}

// AcknowledgeFirst is the mistake of returning before the reports are counted,
// which happens behind the trap.
func AcknowledgeFirst(deliver ingest.Deliver, trap Trap) ingest.Deliver {
	return Single(func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
		if d.Body == nil {
			return deliver.One(ctx, d)
		}
		body, err := io.ReadAll(d.Body)
		if err != nil {
			return ingest.Result{}, err
		}
		later := *d
		later.Body = bytes.NewReader(body)
		go func() {
			trap.Stop()
			_, _ = deliver(context.WithoutCancel(ctx), &later)
		}()
		return ingest.Result{Counted: 1}, nil
	})
}
