package unpack

import (
	"bytes"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// decode undoes the transfer encoding of a part. known is false when that is
// not possible.
func (w *Walker) decode(p *mime.Part) (in input, known bool) {
	switch enc := p.Encoding; {
	case text.EqualFold(enc, "base64"):
		if isPlain(p.Body) {
			// QUIRK(encoding-lies): the part says base64 and is not.
			w.warn(CodeEncodingLies, enc)
			return memory(p.Body), true
		}
		return w.undo(mime.Base64, p.Body), true
	case text.EqualFold(enc, "quoted-printable"):
		return w.undo(mime.Quoted, p.Body), true
	case isUU(enc):
		// QUIRK(mail-uuencode): an encoding from before MIME.
		return w.undo(mime.UU, p.Body), true
	case len(enc) == 0, text.EqualFold(enc, "7bit"), text.EqualFold(enc, "8bit"), text.EqualFold(enc, "binary"):
		return memory(p.Body), true
	default:
		w.warn(CodeEncodingUnknown, enc)
		return memory(p.Body), false
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
	encoding := mime.Quoted
	switch f {
	case formatBase64:
		encoding = mime.Base64
	case formatUU:
		encoding = mime.UU
	}
	l := w.layer(w.depth)
	l.in = w.undo(encoding, b)
	return w.open(&l.in)
}

// undo decodes b: at once when that is little, else while it is read.
func (w *Walker) undo(e mime.Encoding, b []byte) input {
	l := w.layer(w.depth)
	l.encoded.reset(w, e, b)
	if len(b) <= bufferSize {
		l.encoded.next()
		return memory(l.encoded.out)
	}
	return input{buf: l.buffer(), src: &l.encoded, size: int64(len(b) / 4 * 3)}
}

// encoded reads an encoded part.
type encoded struct {
	w        *Walker
	encoding mime.Encoding
	decoder  mime.Decoder
	warned   bool
	out      []byte // decoded
	pos      int    // out[pos:] is not read yet
}

func (e *encoded) reset(w *Walker, encoding mime.Encoding, b []byte) {
	e.w, e.encoding, e.warned, e.out, e.pos = w, encoding, false, e.out[:0], 0
	e.decoder.Reset(encoding, b)
}

// release forgets the body.
func (e *encoded) release() { e.decoder = mime.Decoder{} }

// next decodes the next piece.
func (e *encoded) next() {
	e.out, e.pos = e.decoder.Append(e.out[:0], bufferSize), 0
	if wrong := e.decoder.Wrong(); wrong != nil && !e.warned {
		e.warned = true
		e.w.warn(wrongCode[e.encoding], wrong)
	}
}

// wrongCode is what to warn of in each encoding.
var wrongCode = [...]dmarc.Code{
	mime.Base64: CodeBase64Junk,
	mime.Quoted: CodeQuotedPrintable,
	mime.UU:     CodeUUInvalid,
}

// Read implements io.Reader.
func (e *encoded) Read(p []byte) (int, error) {
	for e.pos == len(e.out) {
		if e.decoder.Done() {
			return 0, io.EOF
		}
		e.next()
	}
	n := copy(p, e.out[e.pos:])
	e.pos += n
	return n, nil
}
