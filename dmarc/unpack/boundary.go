package unpack

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// splitter cuts the body of a multipart at its boundary lines (RFC 2046,
// section 5.1). It is lenient: a missing end is tolerated, and so are parts
// behind the closing boundary.
type splitter struct {
	rest   []byte // from the line break behind a boundary on
	line   []byte // line break, two dashes, boundary
	closed bool   // the last boundary line was a closing one
}

// start goes behind the first boundary line, dropping the preamble. It returns
// false when there is no such line.
func (s *splitter) start(body, boundary []byte) bool {
	const longest = 1 << 10 // the longest allowed is 70
	if len(boundary) == 0 || len(boundary) > longest {
		return false
	}
	s.rest, s.closed = body, false
	s.line = append(append(s.line[:0], "\n--"...), boundary...)
	if bytes.HasPrefix(body, s.line[1:]) {
		if end, closing, ok := boundaryEnd(body, len(s.line)-1); ok {
			s.rest, s.closed = body[end:], closing
			return true
		}
	}
	_, end, closing := s.find()
	if end < 0 {
		return false
	}
	s.rest, s.closed = body[end:], closing
	return true
}

// next returns the bytes up to the next boundary line. more is false for the last part.
func (s *splitter) next() (raw []byte, more bool) {
	start, end, closing := s.find()
	if start < 0 {
		raw, s.rest, s.closed = s.rest[min(1, len(s.rest)):], nil, false
		return raw, false
	}
	raw, s.rest, s.closed = s.rest[min(1, start):start], s.rest[end:], closing
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
// the line break before the boundary not counted; end is the line break behind
// it, which may be the one before the next boundary.
func (s *splitter) find() (start, end int, closing bool) {
	for at := 0; ; {
		i := bytes.Index(s.rest[at:], s.line)
		if i < 0 {
			return -1, -1, false
		}
		at += i
		if end, closing, ok := boundaryEnd(s.rest, at+len(s.line)); ok {
			if at > 0 && s.rest[at-1] == '\r' {
				at--
			}
			return at, end, closing
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
			return at, closing, true
		case ' ', '\t', '\r':
		default:
			return 0, false, false
		}
	}
	return at, closing, true
}

// guessBoundary finds a line that starts with two dashes and is followed by a
// header field.
func guessBoundary(b []byte) []byte {
	const longest = 70 // RFC 2046, section 5.1.1
	for len(b) > 0 {
		line, rest := cutLine(b)
		if bytes.HasPrefix(line, []byte("--")) && len(line) > 2 && len(line) <= longest+4 {
			if name, _ := cutField(rest); name != nil && text.HasPrefixFold(name, "content") {
				return bytes.TrimRight(line[2:], " \t")
			}
		}
		b = rest
	}
	return nil
}
