package mime

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Part is a leaf of the MIME tree, or a multipart before its parts are read.
// It is valid until the visitor returns; its slices stay valid.
type Part struct {
	Header      Header
	ContentType []byte // the whole field
	Type        []byte // the media type as sent, without parameters
	Disposition []byte // the whole field
	Encoding    []byte // the transfer encoding as sent
	Body        []byte // as transferred, without the line end before a boundary
	Multiparts  int    // around it, within the mail
	Feedback    bool   // the header has a Feedback-Type
	Top         bool   // it is the whole mail
	Cut         bool   // Body is not all of it
	Closed      bool   // a boundary follows, or the mail is no multipart
	TooDeep     bool   // it is a multipart that is read as a leaf, because of MaxDepth
}

// Repair is what a Walker had to repair.
type Repair uint8

// The repairs of a Walker.
const (
	BoundaryGuessed Repair = iota // the boundary of a multipart is missing or wrong
	NoEndBoundary                 // a multipart ends without its closing boundary
	BrokenHeader                  // a part has a body at once, without an empty line
)

// The errors of a mail that is beyond the bounds of a Walker.
var (
	ErrTooManyParts  = errors.New("too many parts")
	ErrHeaderTooLong = errors.New("the header is too long")
)

// A Visitor is told what a Walker finds.
type Visitor interface {
	// Multipart comes before the parts of a multipart.
	Multipart(p *Part)
	// Part comes for each leaf.
	Part(p *Part)
	// Repaired comes for each repair with the text that was found.
	Repaired(r Repair, value []byte)
}

// Walker goes through the parts of a mail. It never looks into a mail inside of
// the mail: to it a message/rfc822 is a leaf. It may be used again.
type Walker struct {
	// MaxHeader bounds the bytes of each header, MaxParts the leaves, MaxDepth
	// the multiparts around a part.
	MaxHeader, MaxParts, MaxDepth int
	// MaxBody is how much of a body is kept when the mail comes from a reader.
	MaxBody int
	// Header is the header of the mail, nil until it was read.
	Header Header

	lines
	visitor    Visitor
	part       Part
	parts      int
	boundaries [][]byte // of the multiparts around the current line; empty when unknown
}

// Memory walks through a mail in memory.
func (w *Walker) Memory(mail []byte, v Visitor) error {
	return w.walk(lines{mail: mail, ended: true}, v)
}

// Read walks through a mail of at most limit bytes. The error is ErrTooLong, that of r, or one of Memory.
func (w *Walker) Read(r io.Reader, limit int64, v Visitor) error {
	return w.walk(lines{r: bufio.NewReaderSize(r, 16<<10), left: limit, ended: true}, v)
}

func (w *Walker) walk(l lines, v Visitor) error {
	w.lines, w.visitor = l, v
	w.Header, w.parts, w.boundaries = nil, 0, w.boundaries[:0]
	w.entity()
	err := w.err
	w.lines, w.visitor, w.part = lines{}, nil, Part{}
	return err
}

// stop is where a part ended: at a boundary of the multipart at level, or with
// the mail at level -1.
type stop struct {
	level   int
	closing bool
}

var mailEnd = stop{level: -1}

func (w *Walker) fail(err error) stop {
	w.err = err
	return mailEnd
}

// atBoundary reports whether the piece is a line of one of the open
// multiparts: two dashes, a boundary, and perhaps two dashes.
func (w *Walker) atBoundary() (stop, bool) {
	if !w.start || len(w.piece) < 2 || w.piece[0] != '-' || w.piece[1] != '-' {
		return stop{}, false
	}
	t := w.text()
	for level := len(w.boundaries) - 1; level >= 0; level-- {
		b := w.boundaries[level]
		if len(b) == 0 || len(t) < 2+len(b) || !bytes.Equal(t[2:2+len(b)], b) {
			continue
		}
		switch string(t[2+len(b):]) {
		case "":
			return stop{level, false}, true
		case "--":
			return stop{level, true}, true
		}
	}
	return stop{}, false
}

// entity reads a mail or a part.
func (w *Walker) entity() stop {
	p := &w.part
	*p = Part{Top: w.Header == nil, Multiparts: len(w.boundaries)}
	end, over := w.header(p)
	if w.err != nil {
		return mailEnd
	}
	if text.HasPrefixFold(p.Type, "multipart/") {
		w.visitor.Multipart(p)
		p.TooDeep = p.Multiparts >= w.MaxDepth
		if !over && !p.TooDeep {
			var found bool
			if end, found = w.multipart(p); found {
				return end
			}
			over = true // There is no boundary: it is a leaf that was read.
		}
	}
	if !over {
		end = w.body(p)
	}
	if w.err != nil {
		return mailEnd
	}
	if w.parts++; w.parts > w.MaxParts {
		return w.fail(ErrTooManyParts)
	}
	p.Closed = p.Multiparts == 0 || end.level >= 0
	w.visitor.Part(p)
	return end
}

// header reads up to the body. over says that the part ended before that.
func (w *Walker) header(p *Part) (end stop, over bool) {
	head := Header{}
	end, over = mailEnd, true
	for w.next() {
		if at, ok := w.atBoundary(); ok {
			end = at
			break
		}
		if p.Top && len(head) == 0 && (len(w.text()) == 0 || IsEnvelope(w.piece)) {
			continue // QUIRK(mail-mboxline)
		}
		if w.isEmpty() {
			over = false
			break
		}
		if len(head) == 0 && !p.Top && (w.piece[0] == '<' || w.piece[0] == '{') {
			// QUIRK(mail-part-header): not even the empty line of an empty header.
			w.visitor.Repaired(BrokenHeader, nil)
			w.again, over = true, false
			break
		}
		if len(head)+len(w.piece) > w.MaxHeader {
			return w.fail(ErrHeaderTooLong), true
		}
		head = w.collect(head, w.MaxHeader)
	}
	p.Header = head
	if p.Top {
		w.Header = head
	}
	p.readHeader()
	return end, over
}

// IsEnvelope reports whether b starts with the envelope line of an mbox.
func IsEnvelope(b []byte) bool {
	return bytes.HasPrefix(b, []byte("From ")) || bytes.HasPrefix(b, []byte(">From "))
}

// readHeader takes the fields of MIME from the header.
func (p *Part) readHeader() {
	for h := p.Header; ; {
		name, value, ok := h.Next()
		if !ok {
			return
		}
		if name == nil {
			continue
		}
		switch c := text.Lower(name[0]); {
		case c == 'f':
			p.Feedback = p.Feedback || FieldIs(name, "feedbacktype")
		case c != 'c':
		case p.ContentType == nil && FieldIs(name, "contenttype"):
			p.ContentType = value
			p.Type, _, _ = bytes.Cut(value, []byte(";"))
			p.Type = bytes.TrimSpace(p.Type)
		case p.Encoding == nil && FieldIs(name, "contenttransferencoding"):
			p.Encoding = bytes.Trim(value, " \t\r\n\"';")
		case p.Disposition == nil && FieldIs(name, "contentdisposition"):
			p.Disposition = value
		}
	}
}

// body reads the body of a leaf.
func (w *Walker) body(p *Part) stop {
	for w.next() {
		if end, ok := w.atBoundary(); ok {
			p.trim()
			return end
		}
		w.keep(p)
	}
	return mailEnd
}

func (w *Walker) keep(p *Part) {
	n := len(p.Body)
	p.Body = w.collect(p.Body, w.MaxBody)
	p.Cut = p.Cut || len(p.Body) < n+len(w.piece)
}

// trim removes the line end before a boundary, which belongs to that.
func (p *Part) trim() {
	if !p.Cut {
		p.Body = bytes.TrimSuffix(bytes.TrimSuffix(p.Body, []byte("\n")), []byte("\r"))
	}
}

// multipart reads the parts of a multipart. It is lenient: a missing end is
// tolerated, and so are parts behind the closing boundary. found is false when
// there is no boundary: then p has the body of a leaf.
func (w *Walker) multipart(p *Part) (end stop, found bool) {
	level := p.Multiparts
	w.boundaries = append(w.boundaries, Param(p.ContentType, "boundary"))
	if end = w.preamble(p); end.level != level {
		w.boundaries = w.boundaries[:level]
		return end, false
	}
	closed := false
	for end.level == level {
		if closed = end.closing; closed {
			// QUIRK(boundary-reused): a forwarded mail with the boundary of the mail
			// around it ends with what looks like the end of that one.
			end = w.epilogue()
		} else {
			end = w.entity()
		}
	}
	if !closed && w.err == nil {
		w.visitor.Repaired(NoEndBoundary, w.boundaries[level])
	}
	w.boundaries = w.boundaries[:level]
	return end, true
}

// preamble reads up to the first boundary. It takes a line for the boundary of
// this multipart that starts with two dashes before a header field of a part.
func (w *Walker) preamble(p *Part) stop {
	const longest = 70 // RFC 2046, section 5.1.1
	for w.next() {
		if end, ok := w.atBoundary(); ok {
			p.trim()
			return end
		}
		w.keep(p)
		line := w.text()
		if !w.start || len(line) < 3 || len(line) > longest+4 || line[0] != '-' || line[1] != '-' {
			continue
		}
		boundary := line[2:]
		if w.r != nil {
			boundary = bytes.Clone(boundary)
		}
		if text.HasPrefixFold(w.peek(len("content")), "content") {
			w.boundaries[p.Multiparts] = boundary
			w.visitor.Repaired(BoundaryGuessed, boundary)
			return stop{level: p.Multiparts}
		}
	}
	return mailEnd
}

// epilogue reads what follows a closing boundary.
func (w *Walker) epilogue() stop {
	for w.next() {
		if end, ok := w.atBoundary(); ok {
			return end
		}
	}
	return mailEnd
}
