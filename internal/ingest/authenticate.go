package ingest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Authenticator checks whether the mail that carried a report is authentic.
// mail is nil for a report that came without one. It is called by several
// goroutines.
type Authenticator func(ctx context.Context, mail *unpack.Mail, kind unpack.Kind) Authentication

// Authentication is what an Authenticator found.
type Authentication struct {
	// Result is counted beside the report: pass, fail or none.
	Result string
	// Refused, when set, says why the report must not be counted.
	Refused error
	// Domain is the organizational domain that an authentic mail is of.
	Domain string
	// Speaks, when set, returns nil if the sender of an authentic mail may report
	// in the name of an organization with an address.
	Speaks func(org, email string) error
	// Strict says that reports whose sender may not must not be counted.
	Strict bool
	// Retry says that a refusal may be due to something that passes, such as
	// a DNS server that does not answer: the input is then offered again.
	Retry bool
	// Down says, with Retry, that no mail can be authenticated now: this one is
	// not to blame, however often it is offered.
	Down bool
}

// ErrNotNow is in the chain of the error for an input that waits: for a report
// from the future, and for a mail that cannot be authenticated now, of which it
// is an *InputError unless no mail can be.
var ErrNotNow = errors.New("the input cannot be taken now")

// authenticated remembers the last mail: its reports share the outcome.
type authenticated struct {
	seed  maphash.Seed
	known bool
	sum   uint64
	kind  unpack.Kind
	last  Authentication
}

// authenticate checks the mail of a document, once per mail and kind.
func (p *Pipeline) authenticate(ctx context.Context, r *reader, d *Delivery, body *inputReader, doc *unpack.Document) Authentication {
	if p.config.Authenticate == nil {
		return Authentication{}
	}
	delivered := doc.Mail
	for delivered != nil && delivered.Outer != nil {
		delivered = delivered.Outer
	}
	if d.Mail && !body.begins(delivered) {
		delivered = &unpack.Mail{} // nothing in it is to be believed
	}
	if delivered == nil {
		return p.config.Authenticate(ctx, nil, doc.Kind)
	}
	memory := &r.authenticated
	sum := maphash.Bytes(memory.seed, delivered.Raw)
	if !memory.known || memory.sum != sum || memory.kind != doc.Kind {
		memory.last = p.config.Authenticate(ctx, delivered, doc.Kind)
		memory.known, memory.sum, memory.kind = !memory.last.Retry, sum, doc.Kind
	}
	return memory.last
}

// Mismatch is the result for a report in an authentic mail of somebody who does
// not speak for the reporter.
const Mismatch = "mismatch"

// of returns the outcome for one of the reports in the mail, and marks it.
func (a Authentication) of(e *tally.Entry) Authentication {
	if a.Refused != nil || a.Speaks == nil {
		return a
	}
	if err := a.Speaks(e.Org, e.Email); err != nil {
		a.Result = Mismatch
		if a.Strict {
			a.Refused, a.Retry = err, false
		}
		return a
	}
	e.Authentic, e.AuthDomain = true, a.Domain
	return a
}

// untrusted makes the refusal; nil when the report counts.
func (a Authentication) untrusted() error {
	switch {
	case a.Refused == nil:
		return nil
	case a.Retry && a.Down:
		return fmt.Errorf("%w: %w", ErrNotNow, a.Refused)
	case a.Retry:
		return &InputError{Err: fmt.Errorf("%w: %w", ErrNotNow, a.Refused)}
	}
	return &dmarc.Error{Reason: dmarc.ReasonUntrusted, Offset: -1, Err: a.Refused}
}
