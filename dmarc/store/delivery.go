package store

import (
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Delivery is what one input held. It is committed as a whole.
type Delivery struct {
	// Source names where the input came from, from a set that the operator
	// chose. Snapshot.LastDelivery has it; empty keeps nothing.
	Source string
	// Entries are the reports. They must not be changed until Commit returns.
	Entries []*tally.Entry
	// Details are what is kept of the entries beside their counts, in their
	// order; nil or a nil one keeps nothing. They stay the caller's to close.
	Details []*Details
	// Refused is what was refused.
	Refused []Refusal
	// Auth is the outcome of authenticating the mail that carried the
	// reports: pass, fail or none; empty when nothing was checked.
	Auth string
	// Key and Mark are a note of the source about the input, kept in the same
	// transaction: Store.Marks finds it by Source and Key. An empty Key keeps none.
	Key, Mark string
}

// Refusal is an input, or a part of one, that was refused.
type Refusal struct {
	Reason dmarc.Reason
	// Input names the input within its source, and Message says what is wrong.
	Input, Message string
	// Date, From, Subject and MessageID are of the mail that carried it, as far
	// as there was one that has them.
	Date                     time.Time
	From, Subject, MessageID string
}

// maxRefusals is how many refusals are kept: the newest.
const maxRefusals = 10_000

// row returns the columns of sheetRefusals.
func (r *Refusal) row(source string, now time.Time) []any {
	return []any{
		now.Unix(), textOf(source), textOf(cut(r.Input)), string(r.Reason), textOf(cut(r.Message)),
		timeOf(r.Date), textOf(cut(r.From)), textOf(cut(r.Subject)), textOf(cut(r.MessageID)),
	}
}

// cut bounds a text that untrusted input chose.
func cut(s string) string {
	const longest = 1000
	if len(s) > longest {
		s = s[:longest]
	}
	return s
}
