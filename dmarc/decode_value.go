package dmarc

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// value reads the content of leaf l from p to its end tag, whatever it looks
// like, and returns the text, which is valid until the next call.
func (d *Decoder) value(l leaf, p int) (text []byte, next int, out outcome) {
	d.scratch, d.cut = d.scratch[:0], false
	from := p
	for {
		e := plainEnd(d.buf, p)
		d.put(d.buf[p:min(e, d.end)])
		p = e
		if p >= d.end {
			return nil, from, needMore
		}
		var done bool
		switch c := d.buf[p]; {
		case c == '<':
			p, done, out = d.markup(l, p)
		case c == '&':
			p, out = d.reference(p)
		case c >= 0x80:
			p, out = d.nonASCII(p)
		default:
			p = d.control(p)
		}
		d.slow(p - e)
		if out != goOn {
			return nil, from, out
		}
		if done {
			break
		}
	}
	if d.cut {
		d.warn(CodeValueCut, from, leaves[l].name)
	}
	return d.scratch, p, goOn
}

// put appends ASCII to the value, as much as Limits.TextBytes allows.
func (d *Decoder) put(b []byte) {
	if d.cut {
		return
	}
	if room := d.limits.TextBytes - len(d.scratch); len(b) > room {
		b, d.cut = b[:room], true
	}
	d.scratch = append(d.scratch, b...)
}

// putRune appends a character to the value unless Limits.TextBytes forbids it.
func (d *Decoder) putRune(r rune) {
	if d.cut = d.cut || len(d.scratch)+utf8.RuneLen(r) > d.limits.TextBytes; !d.cut {
		d.scratch = utf8.AppendRune(d.scratch, r)
	}
}

// markup reads the '<' at p inside of the value of l. It is done at the end tag of l.
func (d *Decoder) markup(l leaf, p int) (next int, done bool, out outcome) {
	rest := d.buf[p:d.end]
	switch c := d.buf[p+1]; { // The slack has a byte there.
	case len(rest) < 2:
		return p, false, needMore
	case c == '/':
		t, ok := scanEndTag(d.buf, p, d.end)
		switch {
		case !ok:
			return p, false, needMore
		case string(t.local) == leaves[l].name:
			return t.next, true, goOn
		}
		return p, false, d.stop(ReasonSyntax, p, "end tag of %q inside of %q", text.Cut(string(t.local), 32), leaves[l].name)
	case bytes.HasPrefix(rest, []byte(cdataStart)):
		n := bytes.Index(rest, []byte("]]>"))
		if n < 0 {
			return p, false, needMore
		}
		return p + n + 3, false, d.section(p+len(cdataStart), p+n)
	case c == '!' || c == '?':
		next, out = d.misc(p)
		return next, false, out
	}
	return d.nested(p)
}

// nested reads a '<' at p that is an element inside of a value, or no markup at all.
func (d *Decoder) nested(p int) (next int, done bool, out outcome) {
	e := nameEnd(d.buf, p+1)
	if e >= d.end {
		return p, false, needMore
	}
	if c := d.buf[e]; e == p+1 || !isSpace(c) && c != '>' && c != '/' {
		// QUIRK(angle-in-email): <postmaster@example.org>, and <> for the null sender.
		d.note(CodeBareAngle, p, d.buf[p:min(p+32, d.end)])
		d.putRune('<')
		return p + 1, false, goOn
	}
	t, _, ok := scanTag(d.buf, p, d.end, nil)
	if !ok {
		return p, false, needMore
	}
	d.note(CodeNestedElement, p, t.local)
	if out = d.startSkip(&t, p); out != goOn || t.empty {
		return t.next, false, out
	}
	// The skipped element must not be committed to: this value is not finished.
	open := d.open
	d.open = nodeRecord
	next, out = d.skipTree(t.next)
	d.open = open
	return next, false, out
}

// section appends the CDATA section buf[p:end].
func (d *Decoder) section(p, end int) outcome {
	d.work += int64(end-p) / 4 // byte by byte
	for p < end {
		switch c := d.buf[p]; {
		case c >= 0x80:
			var out outcome
			if p, out = d.nonASCII(p); out != goOn {
				return out
			}
		case c < ' ':
			p = d.control(p)
		default:
			d.putRune(rune(c))
			p++
		}
	}
	return goOn
}

// control appends or drops the control character at p.
func (d *Decoder) control(p int) int {
	switch c := d.buf[p]; c {
	case '\t', '\n':
		d.putRune(rune(c))
	case '\r':
		if d.buf[p+1] != '\n' || p+1 >= d.end {
			d.putRune('\n')
		}
	default:
		// QUIRK(control-chars): BEL and NUL from Yahoo.
		d.warnByte(CodeControlCharacter, p, int(c))
	}
	return p + 1
}

// nonASCII appends the character at p, which is not ASCII.
func (d *Decoder) nonASCII(p int) (int, outcome) {
	c := d.buf[p]
	if d.charset.SingleByte() {
		// QUIRK(latin1-declared): AOL and others.
		d.putRune(d.charset.Rune(c))
		return p + 1, goOn
	}
	if !utf8.FullRune(d.buf[p:d.end]) && !d.eof {
		return p, needMore
	}
	if d.charset == text.ASCII && d.codes&d.codeBit(CodeCharsetMislabelled) == 0 {
		// QUIRK(ascii-declared-utf8): ASCII is what the writer believed.
		d.warn(CodeCharsetMislabelled, p, "us-ascii")
	}
	r, size := utf8.DecodeRune(d.buf[p:d.end])
	switch {
	case r == utf8.RuneError && d.charset >= text.Converted:
		// What is not of the declared character set is no text of another one.
		d.warnByte(CodeInvalidText, p, int(c))
		d.putRune(r)
	case r == utf8.RuneError && size == 1:
		// QUIRK(latin1-undeclared): bytes of windows-1252 in a document that says UTF-8.
		d.warnByte(CodeInvalidText, p, int(c))
		d.putRune(text.Windows1252.Rune(c))
	case r == 0xFFFE || r == 0xFFFF:
		d.warn(CodeControlCharacter, p, "U+FFFE or U+FFFF")
	default:
		d.putRune(r)
	}
	return p + size, goOn
}

// reference appends what the '&' at p stands for.
func (d *Decoder) reference(p int) (int, outcome) {
	const longest = 32
	e := p + 1
	if d.buf[e] == '#' {
		e++
	}
	for e < d.end && e-p < longest && isName(d.buf[e]) && d.buf[e] < 0x80 {
		e++
	}
	if e >= d.end && !d.eof {
		return p, needMore
	}
	name := d.buf[p+1 : min(e, d.end)]
	if e < d.end && d.buf[e] == ';' && len(name) > 0 {
		if r, ok := referenced(string(name)); ok {
			d.appendReferenced(r, p)
			return e + 1, goOn
		}
		if d.entities && name[0] != '#' {
			// QUIRK(entity-declared): never expanded, never fetched.
			d.note(CodeEntityNotExpanded, p, name)
			return e + 1, goOn
		}
	}
	// QUIRK(bare-ampersand): AT&T.
	d.note(CodeBareAmpersand, p, d.buf[p:min(e, d.end)])
	d.putRune('&')
	return p + 1, goOn
}

func (d *Decoder) appendReferenced(r rune, p int) {
	valid := r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
	if !valid {
		d.warnByte(CodeControlCharacter, p, int(r))
		return
	}
	d.putRune(r)
}

// referenced resolves a reference, without '&' and ';', to a character.
func referenced(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil {
		return 0, false
	}
	return rune(min(n, utf8.MaxRune+1)), true
}
