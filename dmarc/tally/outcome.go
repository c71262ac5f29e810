package tally

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Outcome is what became of a report or of an input. The set is closed.
type Outcome string

// The outcomes.
const (
	OutcomeCounted   Outcome = "counted"   // a new report
	OutcomeTwin      Outcome = "twin"      // a new identity with the period and content of a known report; counted unless Config.SkipTwins
	OutcomeDuplicate Outcome = "duplicate" // known, with the same content
	OutcomeConflict  Outcome = "conflict"  // known, with other content; not counted unless Config.CountConflicts
	OutcomeTooOld    Outcome = "too_old"   // ended before the horizon
	OutcomeFuture    Outcome = "future"    // ends in the future
	OutcomeInvalid   Outcome = "invalid"   // refused
)

// Outcomes returns every outcome, in the order of documentation.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeCounted, OutcomeTwin, OutcomeDuplicate, OutcomeConflict, OutcomeTooOld, OutcomeFuture, OutcomeInvalid,
	}
}

// Result is what became of one entry.
type Result struct {
	Outcome Outcome
	// Counted says whether the messages of the entry were added to the sums.
	Counted bool
}

// Delivery is what one input held. It is committed as a whole.
type Delivery struct {
	// Source names where the input came from; it is never a label of a count.
	Source string
	// Entries are the reports.
	Entries []*Entry
	// Refused are the reasons of what was refused, one for each refusal.
	Refused []dmarc.Reason
	// Auth is the outcome of authenticating the mail that carried the
	// reports: pass, fail or none; empty when nothing was checked.
	Auth string
	// Key and Mark are a note of the source about the input, kept in the same
	// transaction: Tally.Mark finds it by Source and Key. An empty Key keeps none.
	Key, Mark string
	// Cursor is where the source goes on, kept in the same transaction; nil keeps none.
	Cursor []byte
}

// key is a day and a hash: keys of one day stand together, which makes both
// adding and expiring them cheap.
type key [16]byte

func newKey(day uint32, fields ...string) (k key) {
	binary.BigEndian.PutUint32(k[:4], day)
	sum := sha256.Sum256([]byte(strings.Join(fields, "\x00")))
	copy(k[4:], sum[:12])
	return k
}

// dayOf returns the number of the day of t since 1970, in UTC.
func dayOf(t time.Time) uint32 { return uint32(max(t.Unix(), 0) / 86400) }

// identityKey is the key of a report's identity. NUL bytes separate the
// fields: report text never holds one.
func (e *Entry) identityKey() key {
	return newKey(
		dayOf(e.End), "v1", string(e.Kind), strings.ToLower(e.Org), strings.ToLower(e.Email), e.ReportID,
		strings.ToLower(e.Domain), strconv.FormatInt(e.Begin.Unix(), 10), strconv.FormatInt(e.End.Unix(), 10),
	)
}

// twinKey is the key of a report's content in its period, whatever its id.
func (e *Entry) twinKey() key {
	return newKey(
		dayOf(e.End), "t1", string(e.Kind), strings.ToLower(e.Org), strings.ToLower(e.Domain),
		strconv.FormatInt(e.Begin.Unix(), 10), strconv.FormatInt(e.End.Unix(), 10), string(e.Digest[:]),
	)
}
