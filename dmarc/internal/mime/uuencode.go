package mime

import "bytes"

// uuDecoder decodes the first uuencoded file in a body (POSIX, uuencode): from
// the line "begin 644 name" to the line "end". Lines whose white space was
// removed say more than they hold: what makes the file more than 64 KiB larger
// than the body is not read.
type uuDecoder struct {
	begun, ended bool
	left         int // how much the file may still hold
}

// reset starts with a body.
func (d *uuDecoder) reset(body []byte) {
	*d = uuDecoder{left: len(body) + 64<<10}
}

// decode appends the data in b to dst; wrong is the first line that has none.
func (d *uuDecoder) decode(dst, b []byte) (out, wrong []byte) {
	for len(b) > 0 && !d.ended {
		var line []byte
		line, b = CutLine(b)
		switch {
		case !d.begun:
			d.begun = IsUUBegin(line)
			continue
		case string(bytes.TrimSpace(line)) == "end":
			d.ended = true
			continue
		case len(line) == 0:
			continue
		}
		n := int(line[0]-' ') & 63
		digits := line[1:]
		// White space at the end of a line, which some remove, is zero.
		need := (n + 2) / 3 * 4
		d.ended = n > d.left
		if d.ended || line[0] < ' ' || line[0] > '`' || len(digits) > need+2 {
			if wrong == nil {
				wrong = line[:min(len(line), 64)]
			}
			continue
		}
		d.left -= n
		dst = appendUU(dst, digits, n)
	}
	return dst, wrong
}

// appendUU appends the n bytes that a line encodes.
func appendUU(dst, digits []byte, n int) []byte {
	for ; n > 0; n -= 3 {
		var v uint32
		for i := range 4 {
			v <<= 6
			if i < len(digits) {
				v |= uint32(digits[i]-' ') & 63
			}
		}
		digits = digits[min(4, len(digits)):]
		three := []byte{byte(v >> 16), byte(v >> 8), byte(v)}
		dst = append(dst, three[:min(n, 3)]...)
	}
	return dst
}

// IsUUBegin reports whether line starts a uuencoded file: begin, a mode of
// three or four octal digits, and a name.
func IsUUBegin(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("begin "))
	mode, name, named := bytes.Cut(rest, []byte(" "))
	return ok && named && len(name) > 0 && (len(mode) == 3 || len(mode) == 4) && len(bytes.Trim(mode, "01234567")) == 0
}
