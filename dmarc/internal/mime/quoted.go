package mime

import "bytes"

// decodeQuoted appends the decoded quoted-printable text b to dst (RFC 2045,
// section 6.7). invalid is the first sequence that had to be kept as it is.
func decodeQuoted(dst, b []byte) (out, invalid []byte) {
	dst = withRoom(dst, len(b))
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line = b[:i+1]
		}
		b = b[len(line):]
		text := bytes.TrimRight(line, " \t\r\n")
		soft := len(text) > 0 && text[len(text)-1] == '='
		if soft {
			text = text[:len(text)-1]
		}
		for {
			i := bytes.IndexByte(text, '=')
			if i < 0 {
				dst = append(dst, text...)
				break
			}
			dst = append(dst, text[:i]...)
			text = text[i:]
			hi, lo := -1, -1
			if len(text) >= 3 {
				hi, lo = unhex(text[1]), unhex(text[2])
			}
			if hi < 0 || lo < 0 {
				if invalid == nil {
					invalid = text[:min(len(text), 3)]
				}
				dst = append(dst, '=')
				text = text[1:]
				continue
			}
			dst = append(dst, byte(hi<<4|lo))
			text = text[3:]
		}
		if !soft {
			dst = append(dst, lineEnd(line)...)
		}
	}
	return dst, invalid
}

// mostUnclear is how long a run of white space or of '=' may be that is not cut.
const mostUnclear = 64 << 10

// cutQuoted returns about most bytes of a longer line, cut where no sequence is
// nor white space, which may end the line. A run of these without such a place is
// cut all the same: nothing of a report is lost with it.
func cutQuoted(b []byte, most int) []byte {
	clean := func(n int) bool {
		return bytes.IndexByte(b[n-2:n], '=') < 0 && bytes.IndexByte([]byte(" \t\r"), b[n-1]) < 0
	}
	for n := most; n > 2; n-- {
		if clean(n) {
			return b[:n]
		}
	}
	end := min(len(b), most+mostUnclear)
	for n := max(most, 3); n < end; n++ {
		if b[n-1] == '\n' || clean(n) {
			return b[:n]
		}
	}
	return b[:end]
}

func lineEnd(line []byte) []byte {
	switch {
	case bytes.HasSuffix(line, []byte("\r\n")):
		return line[len(line)-2:]
	case bytes.HasSuffix(line, []byte("\n")):
		return line[len(line)-1:]
	}
	return nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
