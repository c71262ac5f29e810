package failure

import (
	"bytes"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// maxPart is the number of bytes of a part that are held in memory.
const maxPart = 256 << 10

// part is a leaf of the MIME tree, or a part whose header is all there is.
type part struct {
	header    []field
	mediaType string // lower case, without parameters
	encoding  string // lower case
	body      []byte // at most maxPart bytes, as transferred
	cut       bool   // body is not all of it
	closed    bool   // a boundary follows, or the mail is no multipart
	top       bool   // it is the whole mail
}

// walker goes through the MIME tree of a mail (RFC 2045, RFC 2046) in one
// pass. It never looks into a message inside of the mail: to it a
// message/rfc822 is a leaf.
type walker struct {
	*lineReader
	maxDepth, maxParts int
	parts              int
	top                []field // the header of the mail
	boundaries         []string
	visit              func(*part)
	warn               func(dmarc.Code, string)
}

// stop is where a part ended: at a boundary of the multipart at level, or with
// the mail at level -1.
type stop struct {
	level   int
	closing bool
}

// atBoundary reports whether the current line is one of the open boundaries.
func (w *walker) atBoundary() (stop, bool) {
	if !w.start || !bytes.HasPrefix(w.piece, []byte("--")) {
		return stop{}, false
	}
	t := w.text()[2:]
	for level := len(w.boundaries) - 1; level >= 0; level-- {
		switch b := w.boundaries[level]; {
		case b == "":
		case string(t) == b:
			return stop{level, false}, true
		case len(t) == len(b)+2 && string(t[:len(b)]) == b && string(t[len(b):]) == "--":
			return stop{level, true}, true
		}
	}
	return stop{}, false
}

// entity reads a mail or a part.
func (w *walker) entity() stop {
	if w.parts++; w.parts > w.maxParts {
		return w.refuse(dmarc.ReasonTooMany, "more than %d parts", w.maxParts)
	}
	head, end, over := w.header()
	p := &part{header: parseFields(head, nil), closed: len(w.boundaries) == 0, top: w.parts == 1}
	if p.top {
		w.top = p.header
	}
	contentType := get(p.header, "content-type")
	p.mediaType, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	p.mediaType = strings.TrimSpace(p.mediaType)
	p.encoding = strings.ToLower(strings.Trim(get(p.header, "content-transfer-encoding"), " \";"))
	if !over && strings.HasPrefix(p.mediaType, "multipart/") {
		return w.multipart(param(contentType, "boundary"))
	}
	if !over {
		end = w.body(p)
	}
	p.closed = p.closed || end.level >= 0
	if w.err == nil {
		w.visit(p)
	}
	return end
}

func (w *walker) refuse(reason dmarc.Reason, format string, args ...any) stop {
	w.err = refusal(reason, format, args...)
	return stop{level: -1}
}

// header reads up to the empty line behind a header. over says that the part
// ended before there was one.
func (w *walker) header() (head []byte, end stop, over bool) {
	for w.next() {
		if end, ok := w.atBoundary(); ok {
			return head, end, true
		}
		empty := w.start && len(w.text()) == 0
		if w.parts == 1 && len(head) == 0 && (empty || bytes.HasPrefix(w.piece, []byte("From "))) {
			continue // QUIRK(mail-mboxline): empty lines and the envelope line of an mbox
		}
		if empty {
			return head, stop{}, false
		}
		if len(head)+len(w.piece) > 4*maxPart {
			return nil, w.refuse(dmarc.ReasonTooLarge, "a header of more than %d bytes", 4*maxPart), true
		}
		head = append(head, w.piece...)
	}
	return head, stop{level: -1}, true
}

// body reads the body of a leaf.
func (w *walker) body(p *part) stop {
	for w.next() {
		if end, ok := w.atBoundary(); ok {
			return end
		}
		if p.keeps() {
			room := min(maxPart-len(p.body), len(w.piece))
			p.body = append(p.body, w.piece[:room]...)
			p.cut = p.cut || room < len(w.piece)
		}
	}
	return stop{level: -1}
}

// keeps reports whether the body of p can be of interest: a text, or evidence.
func (p *part) keeps() bool {
	kind, _, _ := strings.Cut(p.mediaType, "/")
	return kind == "" || kind == "text" || kind == "message" || p.mediaType == "application/octet-stream"
}

// multipart reads the parts of a multipart.
func (w *walker) multipart(boundary string) stop {
	level := len(w.boundaries)
	if level == w.maxDepth {
		return w.refuse(dmarc.ReasonTooDeep, "more than %d multiparts around a part", w.maxDepth)
	}
	w.boundaries = append(w.boundaries, boundary)
	end := w.preamble(level)
	for end.level == level && !end.closing {
		end = w.entity()
	}
	w.boundaries = w.boundaries[:level]
	if end.level == level {
		return w.epilogue()
	}
	if w.err == nil {
		w.warn(CodeNoEndBoundary, boundary)
	}
	return end
}

// preamble reads up to the first boundary. It takes a line for the boundary of
// this multipart that starts with two dashes before a header field of a part.
func (w *walker) preamble(level int) stop {
	for w.next() {
		end, ok := w.atBoundary()
		if ok {
			return end
		}
		if !w.start || !bytes.HasPrefix(w.piece, []byte("--")) {
			continue
		}
		line := w.text()
		if len(line) < 3 || len(line) > 200 {
			continue
		}
		boundary := string(line[2:]) // peeking overwrites the line
		if ahead, _ := w.r.Peek(8); strings.EqualFold(string(ahead), "content-") {
			w.boundaries[level] = boundary
			w.warn(CodeBoundaryGuessed, boundary)
			return stop{level, false}
		}
	}
	return stop{level: -1}
}

func (w *walker) epilogue() stop {
	for w.next() {
		if end, ok := w.atBoundary(); ok {
			return end
		}
	}
	return stop{level: -1}
}
