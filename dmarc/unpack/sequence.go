package unpack

import (
	"bytes"
	"io"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// sequence reads one of several documents that follow each other: JSON lines,
// XML behind XML, or gzip members that hold a document each. It ends where
// another document starts.
//
// QUIRK(documents-in-a-row): cat a.xml.gz b.xml.gz.
type sequence struct {
	in    *input
	kind  Kind
	state sequenceState
	left  int  // bytes that may be read before the next look
	ends  bool // the document ends behind them
	json  jsonEnd
}

// sequenceState is where a sequence is.
type sequenceState uint8

const (
	inDocument   sequenceState = iota
	behindOne                  // nothing but white space since the end of a document
	beforeOther                // another document starts
	onlyTrailing               // what is behind the document is not another one
)

// between are the bytes between two documents: white space and what RFC 7464
// puts before each.
const between = blank + "\x1e"

// openSequence gives out the documents of in.
func (w *Walker) openSequence(kind Kind, in *input) error {
	s := &w.layer(w.depth).sequence
	*s = sequence{in: in, kind: kind}
	if err := w.emit(kind, s); err != nil {
		return err
	}
	for n := 2; ; n++ {
		if s.state != beforeOther {
			// The document was refused before its end, so another one may follow.
			const near = 8 << 20 // work that a damaged document is worth
			_, _ = io.CopyN(io.Discard, s, near)
		}
		if s.state != beforeOther {
			return nil
		}
		if w.meter.parts++; w.meter.parts > w.limits.Parts {
			return w.refuse(refusal(dmarc.ReasonTooMany, "more than %d documents in a row", w.limits.Parts))
		}
		*s = sequence{in: in, kind: kind}
		in.skip(between)
		m := w.push(strconv.AppendInt([]byte("document "), int64(n), 10))
		err := w.emit(kind, s)
		w.leave(m)
		if err != nil {
			return err
		}
	}
}

// Read implements io.Reader.
func (s *sequence) Read(p []byte) (int, error) {
	if s.state == onlyTrailing {
		return s.in.Read(p)
	}
	if s.left == 0 && s.ends {
		s.state, s.ends = behindOne, false
	}
	if s.left == 0 && s.state != beforeOther {
		s.in.peek(sniffSize)
		s.look(s.in.buf[s.in.pos:])
	}
	switch {
	case s.state == beforeOther:
		return 0, io.EOF
	case s.left == 0:
		return 0, s.in.end()
	}
	n := copy(p, s.in.buf[s.in.pos:s.in.pos+s.left])
	s.left -= n
	s.in.pos += n
	return n, nil
}

// look decides how much of b, which is not read yet, may be read.
func (s *sequence) look(b []byte) {
	if s.state == behindOne {
		if s.left = s.behind(b); s.left > 0 || s.state == beforeOther {
			return
		}
	}
	last := s.in.src == nil || s.in.err != nil // nothing comes behind b
	if len(b) > bufferSize {
		b, last = b[:bufferSize], false
	}
	if s.kind == KindTLS {
		s.left, s.ends = s.json.find(b)
		return
	}
	s.left, s.ends = endXML(b, last)
}

// behind looks at b, which follows a document. It returns how much of it is
// nothing but white space, and changes the state when that is known.
func (s *sequence) behind(b []byte) int {
	const enough = 64
	rest := bytes.TrimLeft(b, between)
	space := len(b) - len(rest)
	whole := s.in.whole() && len(rest) <= sniffSize
	if len(rest) == 0 || space > 0 && len(rest) < enough && !whole {
		return space
	}
	rest = rest[:min(len(rest), sniffSize)]
	switch {
	case s.kind == KindAggregate && startsXML(rest) && isReportXML(rest, whole), s.kind == KindTLS && rest[0] == '{' && isReportJSON(rest, whole):
		s.state = beforeOther
	case s.kind == KindTLS:
		s.state = onlyTrailing
	default: // what was taken for the end may have been a start tag with a prefix
		s.state = inDocument
	}
	return 0
}

func startsXML(b []byte) bool {
	if bytes.HasPrefix(b, []byte("<?xml")) {
		return true
	}
	name, _, _ := bytes.Cut(b[:min(len(b), 64)], []byte(">"))
	name, _, _ = bytes.Cut(name, []byte(" "))
	return text.HasPrefixFold(name, "<feedback") || bytes.HasPrefix(name, []byte("<")) && bytes.HasSuffix(name, []byte(":feedback"))
}

// endXML finds the end of the document in b. Without one, n is how much of b
// cannot be a part of its end tag; last says that nothing follows b.
func endXML(b []byte, last bool) (n int, ended bool) {
	const end = "feedback>"
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(end))
		if i < 0 {
			break
		}
		from += i + len(end)
		if before := from - len(end) - 1; before >= 0 && (b[before] == '/' || b[before] == ':') {
			return from, true
		}
	}
	if last {
		return len(b), false
	}
	return max(0, len(b)-len(end)-1), false
}

// jsonEnd finds the end of a JSON object.
type jsonEnd struct {
	depth            int
	inString, escape bool
}

// find reads b up to the end of the object, or all of it.
func (j *jsonEnd) find(b []byte) (n int, ended bool) {
	for i, c := range b {
		switch {
		case j.escape:
			j.escape = false
		case j.inString:
			j.escape, j.inString = c == '\\', c != '"'
		case c == '"':
			j.inString = true
		case c == '{' || c == '[':
			j.depth++
		case c == '}' || c == ']':
			if j.depth--; j.depth <= 0 {
				return i + 1, true
			}
		}
	}
	return len(b), false
}
