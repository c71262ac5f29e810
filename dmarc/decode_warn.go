package dmarc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// warn notes a tolerated deviation that was found at pos in the window.
func (d *Decoder) warn(code Code, pos int, value string) {
	if !d.enough(code) {
		d.keep(code, pos, value)
	}
}

// note is warn for bytes; it does nothing when code is empty.
func (d *Decoder) note(code Code, pos int, b []byte) {
	if code != "" && !d.enough(code) {
		d.keep(code, pos, string(b[:min(len(b), 80)]))
	}
}

// warnByte is warn for one character that may be no text at all.
func (d *Decoder) warnByte(code Code, pos, c int) {
	if !d.enough(code) {
		d.keep(code, pos, strconv.Itoa(c))
	}
}

// enough counts a warning that is not kept, because there are too many.
func (d *Decoder) enough(code Code) bool {
	r := &d.doc.report
	if len(r.Warnings) < MaxWarnings || d.codes&d.codeBit(code) == 0 {
		return false
	}
	r.WarningsDropped++
	return true
}

func (d *Decoder) keep(code Code, pos int, value string) {
	r := &d.doc.report
	d.codes |= d.codeBit(code)
	d.countLines(pos)
	r.Warnings = append(r.Warnings, Warning{
		Code:   code,
		Line:   d.lines + 1,
		Offset: d.base + int64(pos),
		Value:  cutText(value, 64),
	})
}

// codeBit gives each code a bit of Decoder.codes. A flood of warnings is one
// of the same code, so the last one is remembered.
func (d *Decoder) codeBit(code Code) uint64 {
	if d.lastCode != code {
		d.lastCode, d.lastBit = code, 1<<slices.Index(codes[:], code)
	}
	return d.lastBit
}

// cutText makes s valid UTF-8 of at most n bytes.
func cutText(s string, n int) string {
	// What replaces a byte is longer, so both the input and the output are cut.
	return cutBytes(strings.ToValidUTF8(cutBytes(s, n), "\uFFFD"), n)
}

// cutBytes cuts s before the character that reaches past n bytes.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax && i >= 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

// fail makes the error that refuses the report at pos in the window.
func (d *Decoder) fail(reason Reason, pos int, format string, args ...any) error {
	return d.failErr(reason, pos, fmt.Errorf(format, args...))
}

func (d *Decoder) failErr(reason Reason, pos int, err error) error {
	d.countLines(pos)
	return &Error{Reason: reason, Line: d.lines + 1, Offset: d.base + int64(pos), Err: err}
}

// stop refuses the report from inside of the parser.
func (d *Decoder) stop(reason Reason, pos int, format string, args ...any) outcome {
	d.err = d.fail(reason, pos, format, args...)
	return failed
}

// commit makes p the place where parsing resumes when the window ends.
func (d *Decoder) commit(p int) {
	m := &d.mark
	m.at, m.leaf, m.open, m.skip, m.comment = p, leafNone, d.open, d.skip, d.comment
	m.warnings, m.dropped, m.prefixes = len(d.doc.report.Warnings), d.doc.report.WarningsDropped, len(d.prefixes)
	m.codes = d.codes
}

// commitIn is commit for a place inside of the leaf l, or behind a record.
func (d *Decoder) commitIn(l leaf, p int) {
	d.open = leaves[l].node
	d.commit(p)
	d.mark.leaf = l
}

// restore takes back what happened behind the mark.
func (d *Decoder) restore() {
	m := &d.mark
	d.open, d.skip, d.comment, d.codes = m.open, m.skip, m.comment, m.codes
	d.doc.report.Warnings = d.doc.report.Warnings[:m.warnings]
	d.doc.report.WarningsDropped = m.dropped
	d.prefixes = d.prefixes[:m.prefixes]
}
