package unpack

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// tree is what is known about the mail that is scanned. It visits its parts.
type tree struct {
	w        *Walker
	first    int  // w.parts[first:] are its leaves
	unclosed bool // a multipart has no end
	feedback bool // a failure report
	bounce   bool // a delivery status or disposition notification
}

// Multipart implements mime.Visitor.
func (t *tree) Multipart(p *mime.Part) {
	t.feedback = t.feedback || p.Top && p.Feedback
	switch kind := mime.Param(p.ContentType, "report-type"); {
	case text.EqualFold(kind, "feedback-report"):
		t.feedback = true
	case text.EqualFold(kind, "delivery-status"), text.EqualFold(kind, "disposition-notification"):
		t.bounce = true
	}
}

// Part implements mime.Visitor.
func (t *tree) Part(p *mime.Part) {
	switch {
	case p.Top && p.Feedback: // a bare feedback report
		t.feedback = true
	case text.EqualFold(p.Type, "message/feedback-report"):
		t.feedback = true
	case text.EqualFold(p.Type, "message/delivery-status"), text.EqualFold(p.Type, "message/global-delivery-status"),
		text.EqualFold(p.Type, "message/disposition-notification"):
		t.bounce = true
	}
	t.w.meter.parts++
	t.w.parts = append(t.w.parts, *p)
}

// Repaired implements mime.Visitor.
func (t *tree) Repaired(r mime.Repair, value []byte) {
	switch r {
	case mime.BoundaryGuessed:
		t.w.warn(CodeBoundaryGuessed, value)
	case mime.NoEndBoundary:
		t.unclosed = true
		t.w.warn(CodeNoEndBoundary, value)
	case mime.BrokenHeader:
		t.w.warn(CodeBrokenHeader, value)
	}
}

// openMail goes through the parts of a mail. raw may start with an envelope line.
func (w *Walker) openMail(raw []byte) error {
	m := w.enter(nil)
	defer w.leave(m)
	raw = w.trimBroken(trimEnvelope(raw))
	t := &tree{w: w, first: len(w.parts)}
	defer func() { w.parts = w.parts[:t.first] }()
	w.mime.MaxHeader, w.mime.MaxParts, w.mime.MaxDepth = w.limits.Header, w.limits.Parts-w.meter.parts, w.limits.Depth-w.depth
	err := w.mime.Memory(raw, t)
	tooLong := errors.Is(err, mime.ErrHeaderTooLong)
	if tooLong && w.mime.Header == nil {
		return w.refuse(refusal(dmarc.ReasonTooLarge, "mail header of more than %d bytes", w.limits.Header))
	}
	outer := w.mail
	w.mail = w.newMail(raw, w.mime.Header)
	defer func() { w.mail = outer }()
	w.cutOff = false
	switch {
	case t.feedback || w.isFailure(t):
		// Nothing else of this mail is visited: the rest is evidence, written
		// by whoever sent the message that failed.
		w.cutOff = t.unclosed || err != nil
		l := w.layer(w.depth)
		l.in = memory(raw)
		return w.emit(KindFailure, &l.in)
	case t.bounce:
		// The same holds for what a bounce returns.
		w.cutOff = t.unclosed || err != nil
		w.pass(dmarc.ReasonNotAReport, "a bounce or notification")
		return nil
	case tooLong:
		return w.refuse(refusal(dmarc.ReasonTooLarge, "part header of more than %d bytes", w.limits.Header))
	case err != nil:
		return w.refuse(refusal(dmarc.ReasonTooMany, "mail with more than %d parts", w.limits.Parts))
	}
	return w.openParts(t)
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
		if name, _ := mime.CutField(rest); name != nil {
			if len(rest) < len(b) {
				w.warn(CodeBrokenHeader, b[:len(b)-len(rest)])
			}
			return rest
		}
		_, rest = mime.CutLine(rest)
	}
	return b
}

// openPart decodes a leaf and goes into it.
func (w *Walker) openPart(i, number int) error {
	p := w.parts[i]
	m := w.push(partName(&p, number))
	defer w.leave(m)
	w.depth += p.Multiparts
	if p.TooDeep {
		return w.refuse(refusal(dmarc.ReasonTooDeep, "more than %d containers around it", w.limits.Depth))
	}
	switch {
	case text.EqualFold(p.Type, "message/partial"):
		return w.refuse(refusal(dmarc.ReasonUnsupported, "a mail in pieces (message/partial)"))
	case text.HasPrefixFold(p.Type, "text/rfc822"):
		return nil // headers of a message that is not there
	}
	in, known := w.decode(&p)
	head, whole := in.head()
	switch f, _ := sniff(head, whole); f {
	case formatOther, formatEmpty:
		if isCMS(head, 2) && text.ContainsFold(p.Type, "pkcs7-mime") {
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
	l.in = in
	return w.open(&l.in)
}

// partName returns what to call a part: the base of its file name, or its number.
func partName(p *mime.Part, number int) []byte {
	name := mime.Param(p.Disposition, "filename")
	if name == nil {
		name = mime.Param(p.ContentType, "name")
	}
	if name = baseName(name); len(name) > 0 {
		return name
	}
	return strconv.AppendInt([]byte("part "), int64(number), 10)
}

// baseName returns what follows the last slash of either kind.
func baseName(name []byte) []byte {
	return name[bytes.LastIndexAny(name, `/\`)+1:]
}
