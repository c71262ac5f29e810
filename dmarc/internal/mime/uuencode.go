package mime

import "bytes"

// UU appends the data of the first uuencoded file in b to dst (POSIX,
// uuencode). It reads from the line "begin 644 name" to the line "end"; wrong
// is the first line that is none of either.
func UU(dst, b []byte) (out, wrong []byte) {
	begun := false
	for len(b) > 0 {
		var line []byte
		line, b = CutLine(b)
		switch {
		case !begun:
			begun = IsUUBegin(line)
			continue
		case string(bytes.TrimSpace(line)) == "end":
			return dst, wrong
		case len(line) == 0:
			continue
		}
		n := int(line[0]-' ') & 63
		digits := line[1:]
		// White space at the end of a line, which some remove, is zero.
		if need := (n + 2) / 3 * 4; line[0] < ' ' || line[0] > '`' || len(digits) > need+2 {
			if wrong == nil {
				wrong = line[:min(len(line), 64)]
			}
			continue
		}
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
