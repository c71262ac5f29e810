package dmarc

import (
	"bytes"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// misc skips what starts with "<!" or "<?" at p: a comment, a CDATA section, a
// document type, a processing instruction or the XML declaration.
func (d *Decoder) misc(p int) (int, outcome) {
	rest := d.buf[p:d.end]
	switch {
	case bytes.HasPrefix(rest, []byte("<?")):
		return d.instruction(p)
	case bytes.HasPrefix(rest, []byte("<!--")):
		if n := bytes.Index(rest[4:], []byte("-->")); n >= 0 {
			return p + 4 + n + 3, goOn
		}
		return p, needMore
	case bytes.HasPrefix(rest, []byte(cdataStart)):
		n := bytes.Index(rest, []byte("]]>"))
		if n < 0 {
			return p, needMore
		}
		if stray := bytes.TrimSpace(rest[len(cdataStart):n]); len(stray) > 0 && d.skip == 0 {
			d.note(CodeStrayText, p, stray[:min(len(stray), 64)])
		}
		return p + n + 3, goOn
	case len(rest) < len(cdataStart):
		return p, needMore
	}
	return d.docType(p)
}

// miscOutside is misc for places that are not inside of a value. A comment
// outside of records may be of any size: it is not held in the window.
func (d *Decoder) miscOutside(p int) (int, outcome) {
	next, out := d.misc(p)
	if out == needMore && d.open < nodeRecord && bytes.HasPrefix(d.buf[p:d.end], []byte("<!--")) {
		d.comment = true
		return d.inComment(p + len("<!--"))
	}
	return next, out
}

// inComment goes on with a comment that p is inside of.
func (d *Decoder) inComment(p int) (int, outcome) {
	if n := bytes.Index(d.buf[p:d.end], []byte("-->")); n >= 0 {
		d.comment = false
		return p + n + 3, goOn
	}
	d.commit(max(p, d.end-2))
	return p, needMore
}

const cdataStart = "<![CDATA["

// instruction skips a processing instruction and reads the XML declaration.
func (d *Decoder) instruction(p int) (int, outcome) {
	rest := d.buf[p:d.end]
	if len(rest) < 6 {
		return p, needMore
	}
	if string(rest[:5]) != "<?xml" || !isSpace(rest[5]) {
		if n := bytes.Index(rest, []byte("?>")); n >= 0 {
			return p + n + 2, goOn
		}
		return p, needMore
	}
	n := bytes.IndexByte(rest, '>')
	if n < 0 {
		return p, needMore
	}
	content := rest[5:n]
	if len(content) > 0 && content[len(content)-1] == '?' {
		content = content[:len(content)-1]
	} else {
		d.note(CodeMalformedTag, p, rest[:min(n+1, 64)])
	}
	if d.root == rootNone && !d.declared {
		d.declare(p, p+n+1, string(content))
	}
	return p + n + 1, goOn
}

// declare reads the content of the XML declaration at p, which ends at next.
func (d *Decoder) declare(p, next int, content string) {
	d.declared = true
	if d.base+int64(p) > d.bom && d.codes == 0 {
		d.warn(CodeLeadingSpace, p, "") // QUIRK(lead-space).
	}
	_, value, ok := strings.Cut(content, "encoding")
	if !ok {
		return
	}
	name := strings.Trim(value, "= \t\r\n")
	if len(name) > 1 {
		if end := strings.IndexByte(name[1:], name[0]); end >= 0 && (name[0] == '"' || name[0] == '\'') {
			name = name[1 : 1+end]
		}
	}
	c, ok := text.Named(name)
	switch {
	case d.unicode: // A byte order mark or UTF-16 says more than a name.
	case ok:
		d.charset = c
	case strings.HasPrefix(strings.ToLower(name), "utf"):
		// QUIRK(ascii-declared-utf8): "UTF8", and "utf-16" from programs that
		// wrote the text to a string first.
		d.warn(CodeCharsetMislabelled, p, name)
	case d.convert(name, next):
	default:
		d.charset = text.Unknown
		d.warn(CodeCharsetUnknown, p, name)
	}
}

// docType skips a document type declaration with its internal subset. Its
// entities are never expanded.
func (d *Decoder) docType(p int) (int, outcome) {
	depth := 0
	for i := p; i < d.end; i++ {
		switch d.buf[i] {
		case '"', '\'':
			n := bytes.IndexByte(d.buf[i+1:d.end], d.buf[i])
			if n < 0 {
				return p, needMore
			}
			i += n + 1
		case '<':
			rest := d.buf[i:d.end]
			if len(rest) < len("<!ENTITY") {
				return p, needMore
			}
			if bytes.HasPrefix(rest, []byte("<!--")) {
				n := bytes.Index(rest, []byte("-->"))
				if n < 0 {
					return p, needMore
				}
				i += n + 2
				continue
			}
			d.entities = d.entities || bytes.HasPrefix(rest, []byte("<!ENTITY"))
			depth++
		case '>':
			if depth--; depth == 0 {
				return i + 1, goOn
			}
		}
	}
	return p, needMore
}
