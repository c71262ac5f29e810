package unpack

import (
	"bytes"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// part is a leaf of a mail's MIME tree.
type part struct {
	body        []byte
	mediaType   []byte // as sent
	encoding    []byte // as sent
	contentType []byte // the whole field
	disposition []byte // the whole field
	multiparts  int    // around it, within the mail
	tooDeep     bool
}

// tree is what is known about the mail that is scanned.
type tree struct {
	first    int // w.parts[first:] are its leaves
	tooMany  bool
	tooLong  bool // a header is
	unclosed bool // a multipart has no end
	feedback bool // a failure report
	bounce   bool // a delivery status or disposition notification
}

// openMail goes through the parts of a mail. raw may start with an envelope line.
func (w *Walker) openMail(raw []byte) error {
	m := w.enter(nil)
	defer w.leave(m)
	raw = w.trimBroken(trimEnvelope(raw))
	head, body, ok := cutHeader(raw, w.limits.Header)
	if !ok {
		return w.refuse(refusal(dmarc.ReasonTooLarge, "mail header of more than %d bytes", w.limits.Header))
	}
	outer := w.mail
	w.mail = w.newMail(raw, head)
	defer func() { w.mail = outer }()
	w.cutOff = false

	t := tree{first: len(w.parts)}
	defer func() { w.parts = w.parts[:t.first] }()
	w.scan(&t, head, body, 0)
	switch {
	case t.feedback || w.isFailure(&t):
		// Nothing else of this mail is visited: the rest is evidence, written
		// by whoever sent the message that failed.
		w.cutOff = t.unclosed
		l := w.layer(w.depth)
		l.in = memory(raw)
		return w.emit(KindFailure, &l.in)
	case t.bounce:
		// The same holds for what a bounce returns.
		w.cutOff = t.unclosed
		w.pass(dmarc.ReasonNotAReport, "a bounce or notification")
		return nil
	case t.tooLong:
		return w.refuse(refusal(dmarc.ReasonTooLarge, "part header of more than %d bytes", w.limits.Header))
	case t.tooMany:
		return w.refuse(refusal(dmarc.ReasonTooMany, "mail with more than %d parts", w.limits.Parts))
	}
	return w.openParts(&t)
}

// openParts goes through the leaves of a mail.
func (w *Walker) openParts(t *tree) error {
	w.pass(dmarc.ReasonNotAReport, "mail without a report")
	for i := t.first; i < len(w.parts); i++ {
		if err := w.openPart(i, i-t.first+1); err != nil {
			return err
		}
		if w.cutOff && i+1 < len(w.parts) {
			// A boundary of this mail ended a forwarded failure report before
			// its own end: what follows may be its evidence.
			return w.refuse(refusal(dmarc.ReasonCorrupt, "parts behind a failure report without an end"))
		}
	}
	return nil
}

// trimBroken drops lines before the first header field.
//
// QUIRK(mail-broken-header): a gateway puts a line of its own on top.
func (w *Walker) trimBroken(b []byte) []byte {
	rest := b
	for range 3 {
		if name, _ := cutField(rest); name != nil {
			if len(rest) < len(b) {
				w.warn(CodeBrokenHeader, b[:len(b)-len(rest)])
			}
			return rest
		}
		_, rest = cutLine(rest)
	}
	return b
}

// scan adds the leaves of an entity to w.parts.
func (w *Walker) scan(t *tree, head, body []byte, multiparts int) {
	p := part{body: body, multiparts: multiparts}
	for h := (header{head}); ; {
		name, value := h.next()
		if name == nil {
			break
		}
		switch c := text.Lower(name[0]); {
		case c == 'f' && multiparts == 0 && fieldIs(name, "feedbacktype"):
			t.feedback = true // a bare feedback report
		case c != 'c':
		case p.contentType == nil && fieldIs(name, "contenttype"):
			p.contentType = value
			p.mediaType, _, _ = bytes.Cut(value, []byte(";"))
			p.mediaType = bytes.TrimSpace(p.mediaType)
		case p.encoding == nil && fieldIs(name, "contenttransferencoding"):
			p.encoding = bytes.Trim(value, " \t\r\n\"';")
		case p.disposition == nil && fieldIs(name, "contentdisposition"):
			p.disposition = value
		}
	}
	switch {
	case text.HasPrefixFold(p.mediaType, "multipart/"):
		if w.scanMultipart(t, &p) {
			return
		}
	case text.EqualFold(p.mediaType, "message/feedback-report"):
		t.feedback = true
	case text.EqualFold(p.mediaType, "message/delivery-status"), text.EqualFold(p.mediaType, "message/global-delivery-status"),
		text.EqualFold(p.mediaType, "message/disposition-notification"):
		t.bounce = true
	}
	w.meter.parts++
	if w.meter.parts > w.limits.Parts {
		t.tooMany = true
		return
	}
	w.parts = append(w.parts, p)
}

// scanMultipart scans the parts of a multipart. It returns false when p is
// none and has to be read as a leaf.
func (w *Walker) scanMultipart(t *tree, p *part) bool {
	switch kind := param(p.contentType, "report-type"); {
	case text.EqualFold(kind, "feedback-report"):
		t.feedback = true
	case text.EqualFold(kind, "delivery-status"), text.EqualFold(kind, "disposition-notification"):
		t.bounce = true
	}
	if w.depth+p.multiparts >= w.limits.Depth {
		p.tooDeep = true
		return false
	}
	var line [128]byte
	s := splitter{line: line[:0]}
	boundary := param(p.contentType, "boundary")
	if !s.start(p.body, boundary) {
		boundary = guessBoundary(p.body)
		if !s.start(p.body, boundary) {
			return false
		}
		w.warn(CodeBoundaryGuessed, boundary)
	}
	for !t.tooMany && !t.tooLong {
		raw, more := s.next()
		head, body, ok := cutHeader(raw, w.limits.Header)
		if len(raw) > 0 && (raw[0] == '<' || raw[0] == '{') {
			// QUIRK(mail-part-header): not even the empty line of an empty header.
			w.warn(CodeBrokenHeader, nil)
			head, body, ok = nil, raw, true
		}
		if !ok {
			t.tooLong = true
			break
		}
		w.scan(t, head, body, p.multiparts+1)
		if !more {
			break
		}
	}
	if !s.closed {
		t.unclosed = true
		w.warn(CodeNoEndBoundary, boundary)
	}
	return true
}

// openPart decodes a leaf and goes into it.
func (w *Walker) openPart(i, number int) error {
	p := w.parts[i]
	m := w.push(p.name(number))
	defer w.leave(m)
	w.depth += p.multiparts
	if p.tooDeep {
		return w.refuse(refusal(dmarc.ReasonTooDeep, "more than %d containers around it", w.limits.Depth))
	}
	switch {
	case text.EqualFold(p.mediaType, "message/partial"):
		return w.refuse(refusal(dmarc.ReasonUnsupported, "a mail in pieces (message/partial)"))
	case text.HasPrefixFold(p.mediaType, "text/rfc822"):
		return nil // headers of a message that is not there
	}
	b, known := w.decode(&p)
	switch f, _ := sniff(b[:min(len(b), sniffSize)], len(b) <= sniffSize); f {
	case formatOther, formatEmpty:
		if isCMS(b, 2) && text.ContainsFold(p.mediaType, "pkcs7-mime") {
			return w.refuse(refusal(dmarc.ReasonUnsupported, "a mail inside its own signature (S/MIME)"))
		}
		if !known {
			w.pass(dmarc.ReasonEncoding, "an unknown transfer encoding")
		}
		return nil
	}
	if w.meter.opened++; w.meter.opened > w.limits.Members {
		if w.meter.opened > w.limits.Members+1 {
			return nil // said once
		}
		return w.refuse(refusal(dmarc.ReasonTooMany, "more than %d attachments", w.limits.Members))
	}
	l := w.layer(w.depth)
	l.in = memory(b)
	return w.open(&l.in)
}

// name returns what to call a part: the base of its file name, or its number.
func (p *part) name(number int) []byte {
	name := param(p.disposition, "filename")
	if name == nil {
		name = param(p.contentType, "name")
	}
	if name = baseName(name); len(name) > 0 {
		return name
	}
	return strconv.AppendInt([]byte("part "), int64(number), 10)
}
