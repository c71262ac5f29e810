package unpack

import "bytes"

// splitter cuts the body of a multipart at its boundary lines (RFC 2046,
// section 5.1). It is lenient: a missing end is tolerated, and so are parts
// behind the closing boundary.
type splitter struct {
	rest     []byte
	boundary []byte
	closed   bool
}

// first goes behind the first boundary line, dropping the preamble.
func (s *splitter) first() bool {
	if len(s.boundary) == 0 {
		return false
	}
	_, end, closing := s.find()
	if end < 0 {
		return false
	}
	s.rest, s.closed = s.rest[end:], closing
	return true
}

// next returns the bytes up to the next boundary line. more is false for the last part.
func (s *splitter) next() (raw []byte, more bool) {
	start, end, closing := s.find()
	if start < 0 {
		raw = s.rest
		s.rest = nil
		return raw, false
	}
	raw, s.rest, s.closed = s.rest[:start], s.rest[end:], closing
	if !closing {
		return raw, true
	}
	// QUIRK(boundary-reused): a forwarded mail with the boundary of the mail
	// around it ends with what looks like the end of that one.
	if _, end, closing := s.find(); end >= 0 && !closing {
		s.rest, s.closed = s.rest[end:], false
		return raw, true
	}
	s.rest = nil
	return raw, false
}

// find finds the next boundary line: start is where the part before it ends,
// the line break before the boundary not counted; end is behind the line.
func (s *splitter) find() (start, end int, closing bool) {
	for at := 0; ; {
		i := bytes.Index(s.rest[at:], s.boundary)
		if i < 2 {
			if i < 0 {
				return -1, -1, false
			}
			at += i + 1
			continue
		}
		at += i
		dash := at - 2
		if s.rest[dash] == '-' && s.rest[dash+1] == '-' && (dash == 0 || s.rest[dash-1] == '\n') {
			if end, closing, ok := boundaryEnd(s.rest, at+len(s.boundary)); ok {
				return lineStart(s.rest, dash), end, closing
			}
		}
		at++
	}
}

// boundaryEnd checks that nothing but dashes and white space follows a
// boundary: it may be the prefix of another one.
func boundaryEnd(b []byte, at int) (end int, closing, ok bool) {
	if bytes.HasPrefix(b[at:], []byte("--")) {
		closing = true
		at += 2
	}
	for ; at < len(b); at++ {
		switch b[at] {
		case '\n':
			return at + 1, closing, true
		case ' ', '\t', '\r':
		default:
			return 0, false, false
		}
	}
	return at, closing, true
}

// lineStart returns where the line break before at starts.
func lineStart(b []byte, at int) int {
	if at > 0 && b[at-1] == '\n' {
		at--
	}
	if at > 0 && b[at-1] == '\r' {
		at--
	}
	return at
}

// guessBoundary finds a line that starts with two dashes and is followed by a
// header field.
func guessBoundary(b []byte) []byte {
	const longest = 70 // RFC 2046, section 5.1.1
	for len(b) > 0 {
		line, rest := cutLine(b)
		if bytes.HasPrefix(line, []byte("--")) && len(line) > 2 && len(line) <= longest+4 {
			if name, _ := cutField(rest); name != nil && hasPrefixFold(name, "content") {
				return bytes.TrimRight(line[2:], " \t")
			}
		}
		b = rest
	}
	return nil
}
