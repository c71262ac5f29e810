package tally

import (
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Add adds to a sum of counts. All sums are made with it, because anybody may
// send counts: a sum never falls, what is negative adds nothing, and it ends at
// 2^53, up to which metrics hold every whole number.
func Add(sum, n int64) int64 { return text.AddCounts(sum, n) }

// counted is a sum that was kept. Earlier versions let sums of days overflow.
func counted(n int64) int64 {
	if n < 0 {
		return text.MostCounted
	}
	return n
}

// Limits bounds what one report may claim. What claims more is refused as
// dmarc.ReasonAbsurd: it would drown whatever honest reports say. The zero
// value is the defaults.
type Limits struct {
	// RecordMessages is how many messages, sessions or incidents one record may
	// have; 0 means 100 million. That is more than 1,000 a second, from one
	// address, all day.
	RecordMessages int64
	// ReportMessages is how many a whole report may have; 0 means a billion.
	ReportMessages int64
	// Work bounds what a report costs to read, as dmarc.Limits.Work, whose
	// default 0 means; a byte of a TLS report costs four units, of a failure report one. With Reader.Work
	// it bounds what a whole input costs.
	Work int64
}

// withDefaults returns the limits with what zero means.
func (l Limits) withDefaults() Limits {
	text.Default(&l.RecordMessages, 100_000_000)
	text.Default(&l.ReportMessages, 1_000_000_000)
	text.Default(&l.Work, dmarc.DefaultWork)
	return l
}

// check refuses a report that claims too much: messages so far, of which one
// record has n.
func (l Limits) check(n, messages int64) error {
	switch {
	case n > l.RecordMessages:
		return absurd("a record of %d messages, more than %d", n, l.RecordMessages)
	case messages > l.ReportMessages:
		return absurd("%d messages, more than %d in a report", messages, l.ReportMessages)
	}
	return nil
}

func absurd(format string, args ...any) error {
	return &dmarc.Error{Reason: dmarc.ReasonAbsurd, Offset: -1, Err: fmt.Errorf(format, args...)}
}
