package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Store is where deliveries are kept and counted: a *store.Store, or a test.
type Store interface {
	// CommitAll records deliveries, all of them or none. A nil error means that
	// they are durable; the results are those of their entries, in order.
	CommitAll(ctx context.Context, deliveries ...*store.Delivery) ([][]tally.Result, error)
	// Peek returns what Commit would answer for an entry.
	Peek(ctx context.Context, e *tally.Entry) (tally.Result, error)
	// Marks returns the marks that were committed last under keys.
	Marks(ctx context.Context, source string, keys ...string) (map[string]string, error)
	// Forget drops the marks of a source for which keep returns false.
	Forget(ctx context.Context, source string, keep func(key string) bool) error
}

// Limits are the limits for all inputs: mails and archives are held in memory,
// half as much again when they are encoded, which is what a small machine has
// to spare.
func Limits() unpack.Limits { return unpack.Limits{Memory: 24 << 20} }

// PipelineConfig configures a Pipeline. The zero value works.
type PipelineConfig struct {
	// Workers is how many inputs are read at once; 0 means GOMAXPROCS.
	Workers int
	// Authenticate checks mails; nil trusts all of them.
	Authenticate Authenticator
	// Signers collects what tally.Config.Signers needs.
	Signers bool
	// Limits bounds what a report may claim.
	Limits tally.Limits
	// Sender names the sender of a record, as a label; nil names none. It is
	// called by several goroutines, as is the Sender of Keep.
	Sender func(*dmarc.Record) string
	// Keep says what the store keeps of reports beside the counts.
	Keep store.DraftConfig
	// Originals keeps the mails of failure reports as they were received.
	Originals bool
	// Now is the clock that tells reports from the future; nil means time.Now.
	Now func() time.Time
	// Archive keeps the records of what is counted; nil keeps none.
	Archive Archive
	// Logger may be nil.
	Logger *slog.Logger
}

// chunk is how many reports are committed at once. An input with more, such
// as a large mbox, takes several transactions; its mark comes with the last.
const chunk = 500

// chunkMemory is how much of the details of reports is in memory before they
// are committed.
const chunkMemory = 4 << 20

// headSize is how much of a mail is looked at to describe one that was refused.
const headSize = 8 << 10

// Pipeline reads inputs and counts their reports. Its methods are safe for
// concurrent use.
type Pipeline struct {
	store   Store
	config  PipelineConfig
	readers chan *reader
	large   chan struct{} // holds a value while a large input is read
	stats   stats
}

// reader is what one worker needs to read inputs.
type reader struct {
	walker        *unpack.Walker
	tally         tally.Reader
	authenticated authenticated
	draft         Draft // nil without an archive
	kept          *store.Draft
	head          []byte // room for the start of an input
	work          int64  // that its reports have cost
}

func (p *Pipeline) newReader() *reader {
	r := &reader{
		walker: unpack.NewWalker(Limits()), authenticated: authenticated{seed: maphash.MakeSeed()}, head: make([]byte, 0, headSize),
		tally: tally.Reader{Signers: p.config.Signers, Source: p.config.Sender, Text: i18n.Text(), Limits: p.config.Limits},
	}
	if p.config.Archive != nil {
		r.draft = p.config.Archive.Draft()
		r.tally.Record, r.tally.TLS, r.tally.Failure = r.draft.Record, r.draft.TLS, r.draft.Failure
	}
	r.kept = store.NewDraft(&r.tally, p.config.Keep)
	return r
}

// NewPipeline returns a Pipeline that counts in store.
func NewPipeline(store Store, c PipelineConfig) *Pipeline {
	setDefault(&c.Workers, runtime.GOMAXPROCS(0))
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pipeline{store: store, config: c, readers: make(chan *reader, c.Workers), large: make(chan struct{}, 1)}
	for range c.Workers {
		p.readers <- p.newReader()
	}
	return p
}

// Deliver reads inputs and counts the reports in them. It is the Deliver of all sources.
func (p *Pipeline) Deliver(ctx context.Context, deliveries ...*Delivery) ([]Result, error) {
	start := time.Now()
	results, err := p.deliver(ctx, deliveries)
	took := time.Since(start) / time.Duration(max(len(deliveries), 1))
	for i, d := range deliveries {
		if d.Body == nil && d.Refused == nil {
			continue
		}
		if err != nil {
			p.stats.record(d.Source, nil, err, took)
			continue
		}
		p.stats.record(d.Source, &results[i], results[i].Err, took)
	}
	return results, err
}

// Lookup returns what was committed with the key of an input.
func (p *Pipeline) Lookup(ctx context.Context, source, key string) (Committed, bool, error) {
	marks, err := p.LookupAll(ctx, source, []string{key})
	c, ok := marks[key]
	return c, ok, err
}

// LookupAll returns what was committed with the keys of inputs.
func (p *Pipeline) LookupAll(ctx context.Context, source string, keys []string) (map[string]Committed, error) {
	marks, err := p.store.Marks(ctx, source, keys...)
	if err != nil {
		return nil, fmt.Errorf("look up marks: %w", err)
	}
	found := make(map[string]Committed, len(marks))
	for key, text := range marks {
		found[key] = DecodeMark(text)
	}
	return found, nil
}

// Forget drops the marks of a source for which keep returns false.
func (p *Pipeline) Forget(ctx context.Context, source string, keep func(key string) bool) error {
	if err := p.store.Forget(ctx, source, keep); err != nil {
		return fmt.Errorf("forget marks: %w", err)
	}
	return nil
}

// deliver reads inputs and commits what they hold.
func (p *Pipeline) deliver(ctx context.Context, deliveries []*Delivery) ([]Result, error) {
	g := &group{store: p.store, archive: p.config.Archive}
	defer g.close()
	results := make([]Result, len(deliveries))
	var behind error
	for i, d := range deliveries {
		if results[i].Err = behind; behind != nil {
			continue
		}
		b := &batch{group: g, delivery: d, result: &results[i]}
		err := p.fill(ctx, b)
		var input *InputError
		switch {
		case err == nil:
			err = g.add(ctx, b)
		case errors.As(err, &input), errors.Is(err, ErrUnsettled), errors.Is(err, ErrNotNow):
			b.close()
			results[i] = Result{Err: err}
			if d.InOrder {
				behind = ErrBehind
			}
			continue
		}
		if err != nil {
			b.close()
			return nil, err
		}
	}
	if err := g.commit(ctx); err != nil {
		return nil, err
	}
	return results, nil
}

// fill fills the batch with what its delivery holds.
func (p *Pipeline) fill(ctx context.Context, b *batch) error {
	switch {
	case b.delivery.Refused != nil:
		return b.refuse(ctx, "", nil, b.delivery.Refused, "")
	case b.delivery.Body != nil:
		return p.read(ctx, b.delivery, b)
	}
	return nil
}

// read fills the batch with what the input holds.
func (p *Pipeline) read(ctx context.Context, d *Delivery, b *batch) error {
	var r *reader
	select {
	case r = <-p.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { p.readers <- r }()
	large, gaveUp := false, false
	r.walker.Large = func() error {
		select {
		case p.large <- struct{}{}:
			large = true
			return nil
		case <-ctx.Done():
			gaveUp = true
			return ctx.Err()
		}
	}
	defer func() {
		if large {
			debug.FreeOSMemory() // The next one may be large, too.
			<-p.large
		}
	}()
	r.work, r.tally.Work = 0, &r.work
	if body, ok := d.Body.(interface{ release() }); ok {
		defer body.release()
	}
	body := &inputReader{r: d.Body, head: r.head[:0], size: d.Size}
	err := p.walk(r, body, func(doc *unpack.Document) error {
		if r.draft != nil {
			r.draft.Begin(d.Source + "/" + d.Name)
		}
		r.kept.Begin()
		verdict := p.authenticate(ctx, r, d, body, doc)
		entry, err := r.tally.Read(doc)
		if err == nil {
			verdict = verdict.of(entry)
			err = verdict.untrusted()
		}
		if err == nil && d.Only != "" && doc.Kind != d.Only {
			err = &dmarc.Error{Reason: dmarc.ReasonNotAReport, Offset: -1, Err: fmt.Errorf("a report of kind %s, not %s", doc.Kind, d.Only)}
		}
		if err == nil {
			err = p.early(ctx, d, doc.Mail, entry)
		}
		var again *InputError
		switch {
		case errors.As(err, &again):
			return again
		case errors.Is(err, ErrNotNow), errors.Is(err, store.ErrClock):
			return err
		case err != nil:
			return b.refuse(ctx, doc.Name, doc.Mail, err, verdict.Result)
		}
		if err := p.keep(ctx, r, entry); err != nil {
			return err
		}
		details, err := r.kept.Take()
		if err != nil {
			return fmt.Errorf("set a large report aside: %w", err)
		}
		if p.config.Originals && doc.Kind == unpack.KindFailure {
			details.Original(bytes.Clone(doc.Mail.Raw))
		}
		return b.add(ctx, doc.Name, entry, details, verdict.Result)
	})
	if gaveUp {
		return ctx.Err()
	}
	if body.err == nil && err == nil {
		// What nobody had to look at may still fail, such as the end of a transfer.
		_, err = io.Copy(io.Discard, body)
	}
	var refused *dmarc.Error
	var again *InputError
	switch {
	case body.err != nil:
		return &InputError{Err: body.err}
	case errors.As(err, &again):
		return again
	case errors.As(err, &refused):
		return b.refuse(ctx, "", body.mail(), refused, "")
	}
	return err
}

// walk is Walker.Walk for an input that may hit a mistake of this program: a panic is
// a refusal, so that a single input cannot stop all others.
func (p *Pipeline) walk(r *reader, body io.Reader, visit func(*unpack.Document) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.config.Logger.Error("panic while reading an input", "panic", v, "stack", string(debug.Stack()))
			*r = *p.newReader()
			err = &dmarc.Error{Reason: dmarc.ReasonUnsupported, Offset: -1, Err: errors.New("internal error")}
		}
	}()
	return r.walker.Walk(body, visit)
}
