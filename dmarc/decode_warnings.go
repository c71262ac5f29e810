package dmarc

import (
	"fmt"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
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
		Value:  text.Cut(value, 64),
	})
}

// boundWarnings makes room for the first warning of each code, which is kept
// even if there are MaxWarnings of others. It waits for a place that nothing
// is taken back from.
func (d *Decoder) boundWarnings() {
	r := &d.doc.report
	if len(r.Warnings) > MaxWarnings {
		dropped := 0
		r.Warnings, dropped = text.Bound(r.Warnings, MaxWarnings, Warning.code)
		r.WarningsDropped += dropped
	}
}

// codeBit gives each code a bit of Decoder.codes.
func (d *Decoder) codeBit(code Code) uint64 {
	if d.bits == nil {
		d.bits = make(map[Code]uint64, len(codes))
		for i, c := range codes {
			d.bits[c] = 1 << i
		}
	}
	return d.bits[code]
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
