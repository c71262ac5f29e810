package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Message is an input as a source found it: a mail, a file or an upload.
type Message struct {
	// Source is the name of the source, such as "maildir:/var/mail/dmarc".
	Source string
	// Name identifies the input within the source, for logs.
	Name string
	// Body holds all of it, and may be read until the Handler returns. Errors in
	// reading it are those of the source: whatever the Handler returns then, the
	// input is tried again.
	Body io.Reader
	// Size is how many bytes Body has, as far as the source knows; 0 means unknown.
	Size int64
}

// Handler takes an input. What it returns is described in the package's comment.
type Handler func(ctx context.Context, m *Message) error

// Options are what all sources of a Watch have in common. The zero value works.
type Options struct {
	// Marks remembers across starts which inputs are done that stay where they are.
	// Nil remembers them until the end: a new Watch hands them out again.
	Marks *Marks
	// Logger receives what the sources have to say; nil means discard.
	Logger *slog.Logger
}

// Source is a place that reports arrive at. It serves one Watch at a time.
type Source struct {
	name string
	open func(ingest.Options) (ingest.Source, error)
}

// Name returns the stable name of the source: its kind, a colon and where it reads.
func (s Source) Name() string { return s.name }

// NewSource is for the packages below this one. It calls open, which finds
// mistakes in a configuration, and calls it again for each Watch.
func NewSource(open func(ingest.Options) (ingest.Source, error)) (Source, error) {
	source, err := open(ingest.Options{})
	if err != nil {
		return Source{}, err
	}
	return Source{name: source.Status().Name, open: open}, nil
}

// Watch hands the inputs of the sources to handle until ctx ends. A source that
// fails is started again after a pause, which grows to half a minute, and costs the
// others nothing. The error is that of ctx, or about a source that cannot start.
func Watch(ctx context.Context, handle Handler, o Options, sources ...Source) error {
	w := newWatch(handle, o)
	all, err := w.open(sources)
	if err != nil {
		return err
	}
	supervisor := &ingest.Supervisor{Logger: w.logger}
	supervisor.Run(ctx, w.deliver, all)
	return ctx.Err()
}

// watch is a Watch at work.
type watch struct {
	handle Handler
	marks  *Marks
	logger *slog.Logger
	// notices are about errors of the Handler.
	notices *ingest.Notices
	// deliver is what sources are given.
	deliver ingest.Deliver
}

func newWatch(handle Handler, o Options) *watch {
	w := &watch{handle: handle, marks: o.Marks, logger: o.Logger}
	if w.marks == nil {
		w.marks = newMarks()
	}
	if w.logger == nil {
		w.logger = slog.New(slog.DiscardHandler)
	}
	w.notices = ingest.NewNotices(w.logger)
	w.deliver = ingest.NewJournal(w.logger, nil).Deliver(w.take)
	return w
}

// open opens the sources by their names, of which there may be one of each.
func (w *watch) open(sources []Source) (map[string]ingest.Source, error) {
	all := map[string]ingest.Source{}
	for i, s := range sources {
		if s.open == nil {
			return nil, errors.New("inbox: source " + strconv.Itoa(i) + " was not made by a function of this package")
		}
		if all[s.name] != nil {
			return nil, fmt.Errorf("inbox: %s is given twice", s.name)
		}
		source, err := s.open(ingest.Options{Marks: remembered{w.marks}, Logger: w.logger})
		if err != nil {
			return nil, err
		}
		all[s.name] = source
	}
	return all, nil
}

// take hands inputs to the Handler, one after the other, and keeps the marks of
// those that are done.
func (w *watch) take(ctx context.Context, deliveries ...*ingest.Delivery) ([]ingest.Result, error) {
	results := make([]ingest.Result, len(deliveries))
	done := map[string]map[string]string{}
	var behind error
	for i, d := range deliveries {
		if results[i].Err = behind; behind != nil {
			continue
		}
		switch {
		case ctx.Err() != nil:
			results[i].Err = fmt.Errorf("%w: %w", ingest.ErrNotNow, ctx.Err())
		case d.Refused != nil:
			results[i].Refuse(d.Refused)
		case d.Body != nil:
			results[i] = w.one(ctx, d)
		}
		switch {
		case results[i].Err != nil && d.InOrder:
			behind = ingest.ErrBehind
		case results[i].Err == nil && d.Key != "":
			if done[d.Source] == nil {
				done[d.Source] = map[string]string{}
			}
			done[d.Source][d.Key] = ingest.Committed{Value: d.Mark, Reason: results[i].Reason()}.Encode()
		}
	}
	return results, w.marks.put(done)
}

// one hands an input to the Handler.
func (w *watch) one(ctx context.Context, d *ingest.Delivery) (result ingest.Result) {
	body := &bodyReader{r: d.Body}
	err := ingest.Guard(func() error {
		return w.handle(ctx, &Message{Source: d.Source, Name: d.Name, Body: body, Size: d.Size})
	})
	if err == nil && !body.ended {
		// What the Handler did not look at may still fail, such as the end of a transfer.
		_, _ = io.Copy(io.Discard, body)
	}
	var refused *dmarc.Error
	switch {
	case body.err != nil:
		result.Err = &ingest.InputError{Err: body.err}
	case err == nil:
		result.Accept()
	case !errors.As(err, &refused):
		if ctx.Err() == nil {
			w.notices.Warn("an input waits, because its handler failed", "source", d.Source, "input", d.Name, "err", err)
		}
		result.Err = fmt.Errorf("%w: %w", ingest.ErrNotNow, err)
	case d.Unsettled:
		result.Err = ingest.ErrUnsettled
	default:
		result.Refuse(refused)
	}
	return result
}

// bodyReader remembers how a body ended.
type bodyReader struct {
	r     io.Reader
	ended bool
	err   error // why it could not be read
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil {
		b.ended = true
		if err != io.EOF {
			b.err = err
		}
	}
	return n, err
}
