package ingest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Judge decides whether to believe the mail that carried a report. mail is nil
// for a report that came without one. It is called by several goroutines.
type Judge func(ctx context.Context, mail *unpack.Mail, kind unpack.Kind) Judgement

// Judgement is what a Judge found.
type Judgement struct {
	// Auth is the outcome, which is counted beside the report: pass, fail or none.
	Auth string
	// Refused, when set, says why the report must not be counted.
	Refused error
	// Retry says that a refusal may be due to something that passes, such as
	// a DNS server that does not answer: the input is then offered again.
	Retry bool
	// Down says, with Retry, that no mail could be judged: this one is not to
	// blame, however often it is offered.
	Down bool
}

// ErrUnjudged is in the chain of the error for a mail that could not be judged
// now: of an *InputError, unless no mail could be.
var ErrUnjudged = errors.New("the mail cannot be authenticated now")

// judged remembers the last judgement: the reports of one mail share it.
type judged struct {
	seed      maphash.Seed
	known     bool
	sum       uint64
	kind      unpack.Kind
	judgement Judgement
}

// judge asks the judge about a document, once per mail and kind.
func (p *Pipeline) judge(ctx context.Context, r *reader, doc *unpack.Document) Judgement {
	if p.config.Judge == nil {
		return Judgement{}
	}
	if doc.Mail == nil {
		return p.config.Judge(ctx, nil, doc.Kind)
	}
	delivered := doc.Mail
	for delivered.Outer != nil {
		delivered = delivered.Outer
	}
	last := &r.judged
	sum := maphash.Bytes(last.seed, delivered.Raw)
	if !last.known || last.sum != sum || last.kind != doc.Kind {
		last.judgement = p.config.Judge(ctx, delivered, doc.Kind)
		last.known, last.sum, last.kind = !last.judgement.Retry, sum, doc.Kind
	}
	return last.judgement
}

// untrusted makes the refusal for a judgement; nil when the report counts.
func (j Judgement) untrusted() error {
	switch {
	case j.Refused == nil:
		return nil
	case j.Retry && j.Down:
		return fmt.Errorf("%w: %w", ErrUnjudged, j.Refused)
	case j.Retry:
		return &InputError{Err: fmt.Errorf("%w: %w", ErrUnjudged, j.Refused)}
	}
	return &dmarc.Error{Reason: dmarc.ReasonUntrusted, Offset: -1, Err: j.Refused}
}
