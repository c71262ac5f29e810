package reportfiles

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// ImportConfig configures Import.
type ImportConfig struct {
	// Pipeline reads inputs; its Logger reports those of mailboxes.
	Pipeline ingest.PipelineConfig
	// Mailboxes are read besides the files, each once.
	Mailboxes []ingest.Source
	// NoArchives leaves out what only an archive has.
	NoArchives bool
}

// The size of what is handed to the store at once.
const (
	importFiles = 200
	importBytes = 4 << 20
)

// importSource is the source of reports that were read from files.
const importSource = "import"

// Import adds what a store does not have of the reports in files and sources,
// and prints what became of them. ErrRefused says that something was no report.
func Import(ctx context.Context, s Streams, st *store.Store, paths []string, c ImportConfig) error {
	i := &importer{streams: s, store: st, outcomes: map[tally.Outcome]int{}, noArchives: c.NoArchives}
	pipeline := ingest.NewPipeline(i, c.Pipeline)
	err := i.files(ctx, pipeline, paths)
	for _, mailbox := range c.Mailboxes {
		if err != nil {
			break
		}
		err = i.mailbox(ctx, pipeline, mailbox)
	}
	if _, e := fmt.Fprintln(s.Out, i); err == nil {
		err = cmp.Or(e, warnUnreported(s.Err, st.Snapshot()))
	}
	if err == nil && i.refused > 0 {
		err = ErrRefused
	}
	return err
}

// importer is the ingest.Store of an import.
type importer struct {
	streams Streams
	store   *store.Store

	noArchives bool

	mu       sync.Mutex // guards what follows
	outcomes map[tally.Outcome]int
	filled   int // duplicates that details were added of
	counted  int
	refused  int
}

// CommitAll fills the store.
func (i *importer) CommitAll(ctx context.Context, deliveries ...*store.Delivery) ([][]tally.Result, error) {
	complete, err := i.onlyKnown(ctx, deliveries)
	if err != nil {
		return nil, err
	}
	return i.fill(ctx, deliveries, complete)
}

// fill fills the store, and counts results when complete has completed them.
func (i *importer) fill(ctx context.Context, deliveries []*store.Delivery, complete func([][]tally.Result)) ([][]tally.Result, error) {
	results, filled, err := i.store.FillAll(ctx, deliveries...)
	if err != nil {
		return nil, err
	}
	complete(results)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.filled += filled
	for _, delivery := range results {
		for _, r := range delivery {
			i.outcomes[r.Outcome]++
			if r.Counted {
				i.counted++
			}
		}
	}
	for _, d := range deliveries {
		for _, r := range d.Refused {
			i.complain(r.Input, errors.New(r.Message))
		}
	}
	return results, nil
}

// Peek returns what Commit would answer for an entry.
func (i *importer) Peek(ctx context.Context, e *tally.Entry) (tally.Result, error) {
	return i.store.Peek(ctx, e)
}

// Marks knows none: what was read before is read again.
func (i *importer) Marks(context.Context, string, ...string) (map[string]string, error) {
	return nil, nil
}

// Forget drops no marks: they are those of serve.
func (i *importer) Forget(context.Context, string, func(string) bool) error { return nil }

// complain reports an input that is no report. The caller holds mu.
func (i *importer) complain(input string, err error) {
	i.refused++
	fmt.Fprintf(i.streams.Err, "%s: %s\n", clean(input), clean(err.Error()))
}

// files reads files, several at once.
func (i *importer) files(ctx context.Context, pipeline *ingest.Pipeline, paths []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var some []*ingest.Delivery
	size := int64(0)
	deliver := func() {
		deliveries := some
		some, size = nil, 0
		group.Go(func() error { return i.deliver(ctx, pipeline, deliveries) })
	}
	err := find(paths, func(f file) error {
		if in, archive := openArchived(f, i.noArchives); archive != nil {
			group.Go(func() error {
				defer in.Close() // It was only read.
				return i.archived(ctx, pipeline, f.path, archive)
			})
			return ctx.Err()
		}
		some = append(some, &ingest.Delivery{Source: importSource, Name: f.path, Body: &lazy{file: f, stdin: i.streams.In}, Size: max(f.size, 0)})
		if size += f.size; len(some) >= importFiles || size >= importBytes || f.size < 0 {
			deliver()
		}
		return ctx.Err()
	})
	if len(some) > 0 {
		deliver()
	}
	if failed := group.Wait(); failed != nil {
		return failed // which ended ctx
	}
	return err
}

// deliver reads some files.
func (i *importer) deliver(ctx context.Context, pipeline *ingest.Pipeline, deliveries []*ingest.Delivery) error {
	results, err := pipeline.Deliver(ctx, deliveries...)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for n := range results {
		if err := results[n].Err; err != nil {
			i.complain(deliveries[n].Name, err)
		}
	}
	return nil
}

// mailbox reads a mailbox once.
func (i *importer) mailbox(ctx context.Context, pipeline *ingest.Pipeline, source ingest.Source) error {
	err := ingest.Guard(func() error { return source.Run(ctx, pipeline.Deliver) })
	if err != nil {
		return fmt.Errorf("%s: %w", source.Status().Name, err)
	}
	return nil
}

// String is the last line.
func (i *importer) String() string {
	return fmt.Sprintf("%s (too old, in the future, a twin, of another content, or only in an archive); %s refused", i.became(), plural(i.refused, "input"))
}

// became says what became of reports.
func (i *importer) became() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	duplicates, other := i.outcomes[tally.OutcomeDuplicate], -i.counted
	for outcome, n := range i.outcomes {
		if outcome != tally.OutcomeDuplicate {
			other += n
		}
	}
	return fmt.Sprintf("%s counted and kept, %s counted before and kept now, %s with nothing missing, %s not counted",
		plural(i.counted, "new report"), wording.Grouped(int64(i.filled)), wording.Grouped(int64(duplicates-i.filled)), wording.Grouped(int64(other)))
}

// lazy is a file that is opened when it is read, and closed at its end.
type lazy struct {
	file  file
	stdin io.Reader
	open  io.ReadCloser
	err   error
}

// Read reads the file.
func (l *lazy) Read(p []byte) (int, error) {
	if l.err == nil && l.open == nil {
		l.open, l.err = l.file.open(l.stdin)
	}
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.open.Read(p)
	if err != nil {
		l.err = err
		l.open.Close() // It was only read.
	}
	return n, err
}
