package dmarc

import (
	"fmt"
	"slices"
)

// Standard is a specification of aggregate reports.
type Standard string

// The standards that a Validator knows.
const (
	RFC9990 Standard = "RFC 9990"
	RFC7489 Standard = "RFC 7489"
)

// Rule names a kind of Deviation.
type Rule string

// The rules, all of them. What they apply to is in the Path of a Deviation.
const (
	RuleMissing  Rule = "missing"  // the standard requires the element
	RuleForeign  Rule = "foreign"  // the standard does not have the element
	RuleValue    Rule = "value"    // the standard does not have the value
	RuleTooMany  Rule = "too_many" // the standard allows fewer of the element
	RuleRepaired Rule = "repaired" // the text had to be repaired to be read: Message has the code of the warning
	RuleText     Rule = "text"     // the text holds what XML cannot: a control character or a byte that is no UTF-8
)

// Rules returns every Rule, in the order of documentation.
func Rules() []Rule {
	return []Rule{RuleMissing, RuleForeign, RuleValue, RuleTooMany, RuleRepaired, RuleText}
}

// Deviation is one way in which a report differs from its standard. It is an
// error too: the one of Encode.
type Deviation struct {
	// Section is where the standard says so, such as "RFC 9990, section 3.1.3".
	Section string
	Rule    Rule
	// Path names the element, such as "record[2]/row/source_ip". Records and
	// what is repeated inside them count from 1.
	Path string
	// Message is a sentence for people, without the path.
	Message string
	// Advisory says that the standard recommends where it could demand.
	Advisory bool
}

// Error returns the path, the message and the section.
func (d Deviation) Error() string {
	return fmt.Sprintf("%s: %s (%s)", d.Path, d.Message, d.Section)
}

// MaxDeviations bounds the deviations that one report can have, of which the
// first of each rule and section is always kept.
const MaxDeviations = 1000

// Validate lists the deviations of r from RFC 9990, at most MaxDeviations. A
// Validator checks RFC 7489 as well.
func Validate(r *Report) []Deviation {
	var v Validator
	for i := range r.Records {
		v.Record(&r.Records[i])
	}
	return v.Report(r)
}

// A Validator checks a report that is decoded record by record: Record takes
// each of them, then Report takes the rest. The zero value checks RFC 9990.
// A Validator serves one report.
type Validator struct {
	// Standard is RFC9990 when it is empty.
	Standard Standard
	// Dropped counts the deviations beyond MaxDeviations.
	Dropped int

	c       checker
	records int
	kept    []Deviation
	seen    map[string]bool
}

// Record checks the next record of the report.
func (v *Validator) Record(rec *Record) {
	v.prepare()
	v.records++
	v.c.record(rec, v.records)
}

// Report checks what the report says besides its records, and returns the
// deviations of everything in the order of the report: the head comes first.
func (v *Validator) Report(r *Report) []Deviation {
	v.prepare()
	n := len(v.kept)
	v.c.head(r)
	v.c.warnings(r)
	v.c.recordCount(v.records)
	head := slices.Clone(v.kept[n:])
	return append(head, v.kept[:n]...)
}

func (v *Validator) prepare() {
	if v.seen != nil {
		return
	}
	v.seen = map[string]bool{}
	v.c = newChecker(v.Standard, func(d Deviation) {
		key := string(d.Rule) + d.Section
		if len(v.kept) >= MaxDeviations && v.seen[key] {
			v.Dropped++
			return
		}
		v.seen[key] = true
		v.kept = append(v.kept, d)
	})
}
