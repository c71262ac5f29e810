package unpack

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// decode undoes the transfer encoding of a part. known is false when that is
// not possible.
func (w *Walker) decode(p *mime.Part) (b []byte, known bool) {
	switch enc := p.Encoding; {
	case text.EqualFold(enc, "base64"):
		if isPlain(p.Body) {
			// QUIRK(encoding-lies): the part says base64 and is not.
			w.warn(CodeEncodingLies, enc)
			return p.Body, true
		}
		return w.base64(p.Body), true
	case text.EqualFold(enc, "quoted-printable"):
		return w.quotedPrintable(p.Body), true
	case isUU(enc):
		// QUIRK(mail-uuencode): an encoding from before MIME.
		return w.undo(mime.UU, CodeUUInvalid, p.Body), true
	case len(enc) == 0, text.EqualFold(enc, "7bit"), text.EqualFold(enc, "8bit"), text.EqualFold(enc, "binary"):
		return p.Body, true
	default:
		w.warn(CodeEncodingUnknown, enc)
		return p.Body, false
	}
}

func isUU(enc []byte) bool {
	for _, name := range []string{"x-uuencode", "uuencode", "x-uue", "uue"} {
		if text.EqualFold(enc, name) {
			return true
		}
	}
	return false
}

// isPlain reports whether a part is a document or a container as it is.
func isPlain(b []byte) bool {
	text := bytes.TrimLeft(b[:min(len(b), sniffSize)], blank)
	return len(text) > 0 && (text[0] == '<' || text[0] == '{' || sniffMagic(b) != formatOther)
}

// openEncoded goes into text whose encoding was recognised though nothing says it.
func (w *Walker) openEncoded(b []byte, f format) error {
	w.warn(CodeUndeclared, nil)
	m := w.enter(nil)
	defer w.leave(m)
	switch f {
	case formatBase64:
		b = w.base64(b)
	case formatUU:
		b = w.undo(mime.UU, CodeUUInvalid, b)
	default:
		b = w.quotedPrintable(b)
	}
	l := w.layer(w.depth)
	l.in = memory(b)
	return w.open(&l.in)
}

// lookAhead is how much of a long part is decoded to see what it is.
const lookAhead = 2 * sniffSize

// base64 decodes b, or only its start when that is neither a report nor a container.
func (w *Walker) base64(b []byte) []byte { return w.undo(mime.Base64, CodeBase64Junk, b) }

// quotedPrintable decodes b, or only its start when that is neither a report
// nor a container.
func (w *Walker) quotedPrintable(b []byte) []byte {
	return w.undo(mime.Quoted, CodeQuotedPrintable, b)
}

func (w *Walker) undo(decode func(dst, b []byte) (out, wrong []byte), code dmarc.Code, b []byte) []byte {
	l := w.layer(w.depth)
	if len(b) > 2*lookAhead {
		l.decoded, _ = decode(l.decoded[:0], b[:lookAhead])
		if f, _ := sniff(l.decoded, false); f == formatOther {
			return l.decoded
		}
	}
	if cap(l.decoded) < len(b) {
		l.decoded = make([]byte, 0, len(b))
	}
	out, wrong := decode(l.decoded[:0], b)
	l.decoded = out
	if wrong != nil {
		w.warn(code, wrong)
	}
	return out
}
