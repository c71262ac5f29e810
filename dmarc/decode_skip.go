package dmarc

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

func (d *Decoder) startUnknown(t *tag, p int) outcome {
	extension := d.open == nodeFeedback && string(t.local) == "extension"
	if !extension && t.prefix == nil && len(d.namespace) == 0 {
		d.note(CodeUnknownElement, p, t.local[:min(len(t.local), 64)])
		d.unknown = d.unknown || d.open == nodeFeedback && !t.empty || d.open >= nodeRecord
	}
	return d.startSkip(t, p)
}

// startSkip makes structure skip the element of t with all that it contains.
func (d *Decoder) startSkip(t *tag, p int) outcome {
	if t.empty {
		return goOn
	}
	depth := 1
	for n := d.open; n != nodeNone; n = nodes[n].parent {
		depth++
	}
	if depth+d.skip > d.limits.Depth {
		return d.stop(ReasonTooDeep, p, "elements are nested deeper than %d", d.limits.Depth)
	}
	d.names[d.skip] = t.nameHash()
	d.skip++
	return goOn
}

// skipTree skips the rest of an unknown element that p is inside of.
func (d *Decoder) skipTree(p int) (int, outcome) {
	for from := p; d.skip > 0; from = p {
		if d.comment {
			var out outcome
			if p, out = d.inComment(p); out != goOn {
				return p, out
			}
		}
		n := bytes.IndexByte(d.buf[p:d.end], '<')
		if n < 0 {
			n = d.end - p
		}
		p += n
		if d.open < nodeRecord {
			d.commit(p)
		}
		out := goOn
		switch c := d.buf[p+1]; {
		case p+1 >= d.end:
			out = needMore
		case c == '/':
			p, out = d.skipEnd(p)
		case c == '!' || c == '?':
			p, out = d.miscOutside(p)
		case !isNameStart(c):
			p++
		default:
			t, _, ok := scanTag(d.buf, p, d.end, nil)
			if !ok {
				return p, needMore
			}
			p, out = t.next, d.startSkip(&t, p)
		}
		d.slow(p - from)
		if out != goOn {
			return p, out
		}
	}
	return p, goOn
}

func (d *Decoder) skipEnd(p int) (int, outcome) {
	t, ok := scanEndTag(d.buf, p, d.end)
	if !ok {
		return p, needMore
	}
	if len(t.local) == 0 || d.names[d.skip-1] != t.nameHash() {
		return p, d.stop(ReasonSyntax, p, "end tag of %q does not fit", text.Cut(string(t.local), 32))
	}
	d.skip--
	return t.next, goOn
}
