package unpack

import (
	"bytes"
	"net/mail"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Mail is a mail around a document: what is needed to authenticate it. It
// is valid as long as the Document; its strings are safe to keep.
type Mail struct {
	// Raw is the mail as received, header and body, without the envelope line
	// of an mbox. It must not be changed.
	Raw []byte
	// Header is the header block at the start of Raw, without the empty line.
	Header []byte
	// Outer is the mail that this mail is attached to, nil for the mail that was
	// delivered: only that one can have been authenticated on its way.
	Outer *Mail
}

// Field returns the first field called name, unfolded and trimmed. Case does not matter.
func (m *Mail) Field(name string) string {
	for v := range m.fields(name) {
		return mime.Unfold(v)
	}
	return ""
}

// Fields returns all fields called name, unfolded and trimmed, from the top: the
// top one was added last.
func (m *Mail) Fields(name string) []string {
	var out []string
	for v := range m.fields(name) {
		out = append(out, mime.Unfold(v))
	}
	return out
}

func (m *Mail) fields(name string) func(func([]byte) bool) {
	name = strings.ToLower(name)
	return func(yield func([]byte) bool) {
		for h := mime.Header(m.Header); ; {
			n, v, ok := h.Next()
			if !ok || n != nil && text.EqualFold(n, name) && !yield(v) {
				return
			}
		}
	}
}

// From returns the addresses of all From fields. A mail that has not exactly
// one is not to be trusted (RFC 9989, section 11).
func (m *Mail) From() []string {
	var out []string
	for _, f := range m.Fields("From") {
		list, err := mail.ParseAddressList(f)
		if err != nil {
			out = append(out, looseAddress(f))
			continue
		}
		for _, a := range list {
			out = append(out, a.Address)
		}
	}
	return out
}

// looseAddress finds the address in a field that breaks the grammar.
func looseAddress(f string) string {
	if i := strings.LastIndexByte(f, '<'); i >= 0 {
		f, _, _ = strings.Cut(f[i+1:], ">")
	}
	return strings.TrimSpace(f)
}

// Date returns the Date field in UTC, the zero Time when it is missing or unreadable.
func (m *Mail) Date() time.Time {
	t, _ := text.Date(mime.WithoutComments(m.Field("Date")))
	return t
}

// MessageID returns the Message-ID field without its angle brackets.
func (m *Mail) MessageID() string {
	return strings.Trim(m.Field("Message-ID"), "<> ")
}

// newMail makes the Mail of raw and its header, reusing what is not in use.
func (w *Walker) newMail(raw, head []byte) *Mail {
	depth := 0
	for m := w.mail; m != nil; m = m.Outer {
		depth++
	}
	if depth == len(w.mails) {
		w.mails = append(w.mails, new(Mail))
	}
	m := w.mails[depth]
	*m = Mail{Raw: raw, Header: head, Outer: w.mail}
	return m
}

// trimEnvelope drops what some sources put before the header: empty lines and
// the envelope line of an mbox.
//
// QUIRK(mail-mboxline): a mail cut from an mbox keeps its "From " line.
func trimEnvelope(b []byte) []byte {
	for {
		b = bytes.TrimLeft(b, blank)
		if !mime.IsEnvelope(b) {
			return b
		}
		_, b = mime.CutLine(b)
	}
}
