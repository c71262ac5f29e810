package store

import (
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
	// Refused are the reasons of what was refused, one for each refusal.
	Refused []dmarc.Reason
	// Auth is the outcome of authenticating the mail that carried the
	// reports: pass, fail or none; empty when nothing was checked.
	Auth string
	// Key and Mark are a note of the source about the input, kept in the same
	// transaction: Store.Marks finds it by Source and Key. An empty Key keeps none.
	Key, Mark string
}
