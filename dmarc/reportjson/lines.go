package reportjson

import (
	"errors"
	"iter"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reports"
)

// Lines returns the lines of a report that was found at a path: one for each
// record, each policy, or a failure report. One that was refused has none: see
// NewRefusal.
func Lines(path string, r *reports.Report) iter.Seq[Line] {
	h := Header{Path: path, Document: r.Document}
	return func(yield func(Line) bool) {
		switch {
		case r.Aggregate != nil:
			for i := range r.Aggregate.Records {
				if !yield(NewRecord(h, r.Aggregate, &r.Aggregate.Records[i])) {
					return
				}
			}
		case r.TLS != nil:
			for i := range r.TLS.Policies {
				if !yield(NewPolicy(h, r.TLS, &r.TLS.Policies[i])) {
					return
				}
			}
		case r.Failure != nil:
			yield(NewFailure(h, r.Failure))
		}
	}
}

// Refusal is an input, or a document in one, that is no good report.
type Refusal struct {
	// Path is where it was found.
	Path  string  `json:"path"`
	Error Problem `json:"error"`
}

// Problem is why an input was refused.
type Problem struct {
	Reason  dmarc.Reason `json:"reason"`
	Message string       `json:"message"`
}

// NewRefusal makes the line of an error of any kind. One that is no *dmarc.Error
// has the reason io.
func NewRefusal(path string, err error) *Refusal {
	var e *dmarc.Error
	if !errors.As(err, &e) {
		e = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: err}
	}
	return &Refusal{Path: path, Error: Problem{Reason: e.Reason, Message: e.Error()}}
}
