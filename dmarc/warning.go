package dmarc

// Code names one kind of deviation that was repaired, defaulted, clamped or
// dropped while a report was read. Codes are snake_case, stable, and each is
// documented with an example in docs/reports.md.
type Code string

// Warning is one tolerated deviation. Every repair is one: a reader never
// repairs anything in silence.
type Warning struct {
	Code Code
	// Line counts from 1; 0 means unknown or not applicable.
	Line int
	// Offset is the byte offset in the decoded document, -1 when unknown.
	Offset int64
	// Value is the offending text as valid UTF-8, cut to at most 64 bytes.
	Value string
}

// code is the key by which a list of warnings is bounded.
func (w Warning) code() Code { return w.Code }

// MaxWarnings bounds the warnings that one report carries, so that an untrusted
// report cannot grow memory with them. Warnings beyond the bound are counted
// in Report.WarningsDropped, and the first of each code is always kept.
const MaxWarnings = 100
