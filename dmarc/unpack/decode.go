package unpack

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// decode undoes the transfer encoding of a part. known is false when that is
// not possible.
func (w *Walker) decode(p *part) (b []byte, known bool) {
	switch enc := p.encoding; {
	case text.EqualFold(enc, "base64"):
		if isPlain(p.body) {
			// QUIRK(encoding-lies): the part says base64 and is not.
			w.warn(CodeEncodingLies, enc)
			return p.body, true
		}
		return w.base64(p.body), true
	case text.EqualFold(enc, "quoted-printable"):
		return w.quotedPrintable(p.body), true
	case len(enc) == 0, text.EqualFold(enc, "7bit"), text.EqualFold(enc, "8bit"), text.EqualFold(enc, "binary"):
		return p.body, true
	default:
		w.warn(CodeEncodingUnknown, enc)
		return p.body, false
	}
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
	if f == formatBase64 {
		b = w.base64(b)
	} else {
		b = w.quotedPrintable(b)
	}
	l := w.layer(w.depth)
	l.in = memory(b)
	return w.open(&l.in)
}

// lookAhead is how much of a long part is decoded to see what it is.
const lookAhead = 2 * sniffSize

// base64 decodes b, or only its start when that is neither a report nor a container.
func (w *Walker) base64(b []byte) []byte {
	l := w.layer(w.depth)
	if len(b) > 2*lookAhead {
		l.decoded, _ = decodeBase64(l.decoded[:0], b[:lookAhead])
		if f, _ := sniff(l.decoded, false); f == formatOther {
			return l.decoded
		}
	}
	out, junk := decodeBase64(l.decoded[:0], b)
	l.decoded = out
	if junk != nil {
		w.warn(CodeBase64Junk, junk)
	}
	return out
}

// quotedPrintable decodes b, or only its start when that is neither a report
// nor a container.
func (w *Walker) quotedPrintable(b []byte) []byte {
	l := w.layer(w.depth)
	if len(b) > 2*lookAhead {
		l.decoded, _ = decodeQuoted(l.decoded[:0], b[:lookAhead])
		if f, _ := sniff(l.decoded, false); f == formatOther {
			return l.decoded
		}
	}
	if cap(l.decoded) < len(b) {
		l.decoded = make([]byte, 0, len(b))
	}
	out, invalid := decodeQuoted(l.decoded[:0], b)
	l.decoded = out
	if invalid != nil {
		w.warn(CodeQuotedPrintable, invalid)
	}
	return out
}

// decodeQuoted appends the decoded quoted-printable text b to dst (RFC 2045,
// section 6.7). invalid is the first sequence that had to be kept as it is.
func decodeQuoted(dst, b []byte) (out, invalid []byte) {
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line = b[:i+1]
		}
		b = b[len(line):]
		text := bytes.TrimRight(line, " \t\r\n")
		soft := len(text) > 0 && text[len(text)-1] == '='
		if soft {
			text = text[:len(text)-1]
		}
		for {
			i := bytes.IndexByte(text, '=')
			if i < 0 {
				dst = append(dst, text...)
				break
			}
			dst = append(dst, text[:i]...)
			text = text[i:]
			hi, lo := -1, -1
			if len(text) >= 3 {
				hi, lo = unhex(text[1]), unhex(text[2])
			}
			if hi < 0 || lo < 0 {
				if invalid == nil {
					invalid = text[:min(len(text), 3)]
				}
				dst = append(dst, '=')
				text = text[1:]
				continue
			}
			dst = append(dst, byte(hi<<4|lo))
			text = text[3:]
		}
		if !soft {
			dst = append(dst, lineEnd(line)...)
		}
	}
	return dst, invalid
}

func lineEnd(line []byte) []byte {
	switch {
	case bytes.HasSuffix(line, []byte("\r\n")):
		return line[len(line)-2:]
	case bytes.HasSuffix(line, []byte("\n")):
		return line[len(line)-1:]
	}
	return nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
