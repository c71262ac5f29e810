package tally

// Outcome is what became of a report or of an input. The set is closed.
type Outcome string

// The outcomes.
const (
	OutcomeCounted   Outcome = "counted"   // a new report
	OutcomeTwin      Outcome = "twin"      // a new identity with the period and content of a known report; counted unless Config.SkipTwins
	OutcomeDuplicate Outcome = "duplicate" // known, with the same content
	OutcomeConflict  Outcome = "conflict"  // known, with other content; not counted unless Config.CountConflicts
	OutcomeTooOld    Outcome = "too_old"   // ended before the horizon, or has no date at all
	OutcomeFuture    Outcome = "future"    // ends more than two days in the future
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
