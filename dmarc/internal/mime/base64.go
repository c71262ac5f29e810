package mime

import "bytes"

// Values of base64Values that are no digits.
const (
	base64Invalid = 0xff
	base64Space   = 0xfe
	base64Pad     = 0xfd
)

// alphabet maps a byte to its six bits, or to one of the values above.
type alphabet [256]byte

var (
	base64Values    = newAlphabet("+/")
	base64URLValues = newAlphabet("-_") // RFC 4648, section 5
)

// newAlphabet makes the alphabet whose last two digits are last.
func newAlphabet(last string) *alphabet {
	t := new(alphabet)
	for i := range t {
		t[i] = base64Invalid
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + last) {
		t[c] = byte(i)
	}
	for _, c := range []byte(" \t\r\n\v\f\x00") {
		t[c] = base64Space
	}
	t['='] = base64Pad
	return t
}

// base64Decoder decodes base64. Padding may be missing or stand in the middle,
// white space may stand anywhere. A line with characters outside the alphabet is
// dropped as text, unless it is long and nearly all base64: then only the
// characters are dropped.
type base64Decoder struct {
	values *alphabet
	dst    []byte
	acc    uint32 // digits that do not make three bytes yet
	bits   int    // in acc
	// The state at the start of the current line, to drop it.
	line     []byte // from there on
	lineDst  int
	lineAcc  uint32
	lineBits int
	damaged  bool // the line was found to be base64 but for some characters
}

// reset starts with a body.
func (d *base64Decoder) reset(body []byte) {
	*d = base64Decoder{values: base64Values}
	if isURLSafe(body) {
		// QUIRK(base64-url): the alphabet for URLs.
		d.values = base64URLValues
	}
}

// decode appends the decoded b to dst. junk is the start of the first line with
// characters outside of the alphabet.
func (d *base64Decoder) decode(dst, b []byte, last bool) (out, junk []byte) {
	d.dst = withRoom(dst, len(b)/4*3+3)
	d.startLine(b)
	for len(b) > 0 {
		n := d.quads(b)
		if b = b[n:]; len(b) == 0 {
			break
		}
		c := b[0]
		switch v := d.values[c]; {
		case v < 64:
			d.digit(v)
			b = b[1:]
		case c == '\n':
			b = b[1:]
			d.startLine(b)
		case v == base64Space:
			b = b[1:]
		case v == base64Pad:
			d.flush()
			b = b[1:]
		default:
			if junk == nil {
				junk, _ = CutLine(d.line[:min(len(d.line), 64)])
			}
			b = d.invalid(b)
		}
	}
	if last {
		d.flush()
	}
	return d.dst, junk
}

// isURLSafe reports whether b has digits of the alphabet for URLs and none of
// the usual ones that they replace.
func isURLSafe(b []byte) bool {
	return bytes.IndexByte(b, '+') < 0 && bytes.IndexByte(b, '/') < 0 && bytes.ContainsAny(b, "-_")
}

// quads decodes full groups of four digits and returns how many bytes it took.
func (d *base64Decoder) quads(b []byte) int {
	if d.bits != 0 {
		return 0
	}
	t, dst, n := d.values, d.dst, 0
	for ; len(b)-n >= 4; n += 4 {
		q := b[n : n+4 : n+4]
		v0, v1, v2, v3 := t[q[0]], t[q[1]], t[q[2]], t[q[3]]
		if (v0|v1|v2|v3)&0x80 != 0 {
			break
		}
		dst = append(dst, v0<<2|v1>>4, v1<<4|v2>>2, v2<<6|v3)
	}
	d.dst = dst
	return n
}

func (d *base64Decoder) digit(v byte) {
	d.acc, d.bits = d.acc<<6|uint32(v), d.bits+6
	if d.bits == 24 {
		d.dst = append(d.dst, byte(d.acc>>16), byte(d.acc>>8), byte(d.acc))
		d.acc, d.bits = 0, 0
	}
}

// flush ends a group that is not full, with or without padding.
func (d *base64Decoder) flush() {
	for d.bits >= 8 {
		d.bits -= 8
		d.dst = append(d.dst, byte(d.acc>>d.bits))
	}
	d.acc, d.bits = 0, 0
}

// startLine remembers the state at the start of a line.
func (d *base64Decoder) startLine(line []byte) {
	d.line, d.lineDst, d.lineAcc, d.lineBits, d.damaged = line, len(d.dst), d.acc, d.bits, false
}

// invalid drops the character at the start of b, or the whole line around it.
func (d *base64Decoder) invalid(b []byte) (rest []byte) {
	if d.damaged {
		return b[1:]
	}
	line, rest := CutLine(d.line)
	if d.values.mostly(line) {
		d.damaged = true
		return b[1:]
	}
	d.dst, d.acc, d.bits = d.dst[:d.lineDst], d.lineAcc, d.lineBits
	d.startLine(rest)
	return rest
}

// mostly tells a damaged line of base64 from a line of text.
func (t *alphabet) mostly(line []byte) bool {
	const shortest = 40
	bad := 0
	for _, c := range line {
		if t[c] >= base64Pad && c != '=' || t[c] == base64Space {
			bad++
		}
	}
	return len(line) >= shortest && bad*10 <= len(line)
}

// IsBase64Line reports whether a line holds nothing but base64 and white space.
func IsBase64Line(line []byte) bool {
	for _, c := range line {
		if base64Values[c] == base64Invalid || c == 0 || c == '\v' || c == '\f' {
			return false
		}
	}
	return true
}
