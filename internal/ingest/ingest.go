package ingest

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Source is a place that reports come from. Run hands every input it finds to
// deliver and acknowledges it (moves the file, expunges the mail, answers 250)
// only when deliver returns a nil error. Run returns ctx.Err() when ctx ends
// and any other error when it cannot go on; whoever runs it starts it again.
type Source interface {
	Run(ctx context.Context, deliver Deliver) error
	// Status says how the source is doing. It may be called at any time.
	Status() Status
}

// Deliver reads inputs, one after the other, and keeps and counts the reports in
// all of them in one transaction, if they are not too many. It returns the
// results in order. A nil error means that the outcomes are durable, be they
// good or bad, but for those of results with an Err: of these nothing was
// recorded. An error says that the store failed or that ctx ended: what was
// recorded is recognised when it is delivered again.
type Deliver func(ctx context.Context, deliveries ...*Delivery) ([]Result, error)

// One delivers a lone input. The error may also be that of the Result.
func (f Deliver) One(ctx context.Context, d *Delivery) (Result, error) {
	results, err := f(ctx, d)
	if err != nil {
		return Result{}, err
	}
	if err := results[0].Err; err != nil {
		return Result{}, err
	}
	return results[0], nil
}

// Delivery is one input as a source found it: a file, a mail, an upload.
type Delivery struct {
	// Source is the name of the source, as in its Status.
	Source string
	// Name identifies the input within the source for the log.
	Name string
	// Body is read within the call, at most once. Its errors other than
	// io.EOF become an *InputError. It must not be slow: use a Spool for
	// what comes over a network. A delivery without Body and Refused only
	// records its Mark.
	Body io.Reader
	// Size is how many bytes Body has, as far as the source knows; 0 means
	// unknown. Large inputs are read one at a time.
	Size int64
	// Refused, when set, records the input as refused for that reason
	// without reading Body: the end of an input that cannot be read.
	Refused *dmarc.Error
	// Mail says that the input is one mail, whatever it looks like: what is no mail
	// by itself, such as the second one of an mbox, has no header that a server
	// has written.
	Mail bool
	// Only, when set, refuses reports of other kinds.
	Only unpack.Kind
	// Unsettled says that the input may still be growing: a refusal is then
	// not recorded, and the call returns ErrUnsettled.
	Unsettled bool
	// Key and Mark are recorded in the same transaction, so that the source
	// recognises the input after a crash between commit and acknowledgement.
	// An empty Key records nothing.
	Key, Mark string
	// Since is when the input was last written, if nothing in it tells when it
	// came; zero means unknown.
	Since time.Time
	// InOrder says that the deliveries behind this one must not be recorded
	// without it: when it has an Err they have ErrBehind.
	InOrder bool
}

// Item is what became of one report, or of one damaged part, of a delivery.
type Item struct {
	// Name is the path inside the containers, a hint only.
	Name     string
	Kind     unpack.Kind
	Org      string
	Domain   string
	ReportID string
	Outcome  tally.Outcome
	// Err is set when the part was refused.
	Err *dmarc.Error
}

// Result is what became of a delivery.
type Result struct {
	// Err is why nothing was recorded: *InputError if the input could not be
	// read, ErrUnsettled if it was refused too early to be sure, ErrBehind, or
	// an error that has ErrNotNow in its chain.
	Err error
	// Counted, Known and Refused are how many reports were new, were
	// recognised but not counted, and were refused.
	Counted, Known, Refused int
	// Items describes the first maxItems of them.
	Items []Item
	// reason is that of the first refusal.
	reason dmarc.Reason
}

// maxItems bounds the items of a Result.
const maxItems = 1000

// Class sorts deliveries by what their source should do with them.
type Class string

// The classes of deliveries.
const (
	// ClassCounted is a delivery with at least one report that was new.
	ClassCounted Class = "counted"
	// ClassKnown is a delivery whose reports were all recognised, but none
	// was counted: duplicates, conflicts, too old or too far in the future.
	ClassKnown Class = "known"
	// ClassRefused is a delivery without a single readable report.
	ClassRefused Class = "refused"
)

// Class returns the class of the whole delivery.
func (r *Result) Class() Class {
	switch {
	case r.Counted > 0:
		return ClassCounted
	case r.Known > 0:
		return ClassKnown
	}
	return ClassRefused
}

// Reason returns why a delivery was refused; it is empty unless the class is ClassRefused.
func (r *Result) Reason() dmarc.Reason {
	switch {
	case r.Class() != ClassRefused:
		return ""
	case r.reason == "":
		return dmarc.ReasonNotAReport
	}
	return r.reason
}

// Accept makes the whole delivery counted, by a Deliver that does not look into it.
func (r *Result) Accept() { r.add(Item{Outcome: tally.OutcomeCounted}, true) }

// Refuse makes the whole delivery refused.
func (r *Result) Refuse(err *dmarc.Error) { r.add(Item{Err: err}, false) }

// add counts one item.
func (r *Result) add(item Item, counted bool) {
	switch {
	case item.Err != nil:
		r.Refused++
		if r.reason == "" {
			r.reason = item.Err.Reason
		}
	case counted:
		r.Counted++
	default:
		r.Known++
	}
	if len(r.Items) < maxItems {
		r.Items = append(r.Items, item)
	}
}

// ErrBehind is the error of a delivery behind another one that was not recorded.
var ErrBehind = errors.New("an input before it was not recorded")

// ErrUnsettled is returned for an unsettled delivery that would be refused:
// nothing was recorded, the source offers it again when it has settled.
var ErrUnsettled = errors.New("input may still be growing")

// InputError says that an input could not be read to its end. Nothing was
// recorded; the source tries again a bounded number of times.
type InputError struct {
	Err error
}

// Error returns the cause.
func (e *InputError) Error() string { return "read input: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }
