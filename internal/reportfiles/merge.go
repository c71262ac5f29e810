package reportfiles

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Merge adds the reports of one store to another one.
type Merge struct {
	streams Streams
	view    *store.View
	name    string
	lacking store.Lacking
	domains []string
}

// NewMerge opens the store that reports are taken from, those about some domains or
// without any all of them, and checks it. That it has counted what it does not keep
// is an error unless incomplete is true.
func NewMerge(ctx context.Context, s Streams, from Place, domains []string, incomplete bool) (*Merge, error) {
	v, err := from.Engine.View(ctx)
	if err != nil {
		return nil, err
	}
	m := &Merge{streams: s, view: v, name: from.Name, domains: domains}
	if m.lacking, err = store.Lacks(ctx, v); err == nil && m.lacking != (store.Lacking{}) && !incomplete {
		err = fmt.Errorf("%s: take the others with --incomplete", m.lacks())
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return m, nil
}

// lacks says what cannot be merged.
func (m *Merge) lacks() string {
	return fmt.Sprintf("%s has counted %s, and %s in all, that it does not keep as a whole, and that nothing can be told about",
		m.name, plural(int(m.lacking.Reports), "report"), plural(int(m.lacking.Messages), "message"))
}

// Close closes the store that reports are taken from.
func (m *Merge) Close() error { return m.view.Close() }

// Into adds the reports that a store lacks, and prints what became of them.
func (m *Merge) Into(ctx context.Context, st *store.Store, c ingest.PipelineConfig) error {
	i := &importer{streams: m.streams, store: st, outcomes: map[tally.Outcome]int{}}
	progress := newProgress(m.streams.Err)
	config := store.DeliveriesConfig{Draft: c.Keep, Source: c.Sender, Signers: c.Signers, Originals: c.Originals, Domains: m.domains}
	err := store.Deliveries(ctx, m.view, config, func(deliveries []*store.Delivery) error {
		_, err := i.fill(ctx, deliveries, func([][]tally.Result) {})
		progress.show(i.became())
		return err
	})
	progress.clear()
	if err == nil && m.lacking != (store.Lacking{}) {
		_, err = fmt.Fprintln(m.streams.Err, m.lacks())
	}
	if err == nil {
		_, err = fmt.Fprintf(m.streams.Out, "%s (too old, in the future, a twin, or of another content)\n", i.became())
	}
	return err
}
