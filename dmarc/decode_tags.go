package dmarc

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// readTags reads tags from p on, up to the value of the next leaf, the end of a
// record or the end of the report. The gap s, which p is in, goes to the tag
// cache if it can be kept.
func (d *Decoder) readTags(p int, s pendingGap) (l leaf, next int, out outcome) {
	for from := p; ; from = p {
		if d.comment {
			if p, out = d.inComment(p); out != goOn {
				return leafNone, p, out
			}
		}
		if d.skip > 0 {
			if p, out = d.skipTree(p); out != goOn {
				return leafNone, p, out
			}
		}
		p = spaceEnd(d.buf, p)
		if d.open < nodeRecord {
			d.commit(p)
		}
		switch c := d.buf[p+1]; { // The slack has a byte there, and one at d.end.
		case p >= d.end:
			return leafNone, p, d.dataEnd()
		case d.root == rootClosed:
			p, out = d.trail(p)
		case d.buf[p] != '<':
			s.after = leafNone
			p, out = d.stray(p)
		case c == '/':
			p, out = d.endTag(p, &s)
		case c == '!' || c == '?':
			s.after = leafNone
			p, out = d.miscOutside(p)
		default:
			l, p, out = d.startTag(p, &s)
		}
		d.slow(p - from)
		if out != goOn || l != leafNone {
			return l, p, out
		}
		if d.work > d.limits.Work {
			return l, p, d.tooCostly(p)
		}
	}
}

// slow counts what one step of the slow path costs, over so many bytes.
func (d *Decoder) slow(bytes int) { d.work += workSlow + int64(max(bytes, 0))/workBytes }

func (d *Decoder) tooCostly(p int) outcome {
	return d.stop(ReasonTooCostly, p, "the report takes more work than %d", d.limits.Work)
}

// dataEnd is reached when nothing is left in the window.
func (d *Decoder) dataEnd() outcome {
	if !d.eof {
		return needMore
	}
	complete := d.root == rootClosed || d.root == rootImplied && d.open == nodeFeedback
	if complete && d.readE == nil {
		return gotEnd
	}
	d.err = d.ended()
	return failed
}

// trail reads what follows the report.
func (d *Decoder) trail(p int) (int, outcome) {
	rest := d.buf[p:d.end]
	if bytes.HasPrefix(rest, []byte("<!--")) || bytes.HasPrefix(rest, []byte("<?")) && !bytes.HasPrefix(rest, []byte("<?xml")) {
		next, out := d.misc(p)
		if out != needMore || !d.eof {
			return next, out
		}
	}
	if d.schema && d.buf[p] == '<' && d.buf[p+1] == '/' {
		if t, ok := scanEndTag(d.buf, p, d.end); ok && string(t.local) == "schema" {
			d.schema = false
			return t.next, goOn
		} else if !ok && !d.eof {
			return p, needMore
		}
	}
	// QUIRK(trailing-garbage): NULs, a second document, the footer of a mailing list.
	if !d.trailing {
		if !d.eof && d.end-p < 64 {
			return p, needMore
		}
		d.trailing = true
		d.note(CodeTrailingData, p, d.buf[p:min(p+64, d.end)])
	}
	return d.end, goOn
}

// stray drops text between elements.
func (d *Decoder) stray(p int) (int, outcome) {
	n := bytes.IndexByte(d.buf[p+1:d.end], '<')
	if n < 0 {
		n = d.end - p - 1
		if !d.eof && n < windowStart/2 || d.root != rootNone {
			return p, needMore
		}
	}
	if d.root == rootNone && n > windowStart/2 {
		return p, d.stop(ReasonNotAReport, p, "the document is not XML")
	}
	dropped := bytes.TrimSpace(d.buf[p : p+1+n])
	// QUIRK(decl-stray-quote): a quote behind the XML declaration.
	// QUIRK(broken-sp-tag): sp>none</sp>
	d.note(CodeStrayText, p, dropped[:min(len(dropped), 64)])
	if d.open == nodeReason && !d.drop && d.seen&seenReason == 0 && isKeyword(dropped) {
		// QUIRK(reason-text): <reason>sampled_out</reason> of rspamd.
		d.set(leafReasonType, dropped, p)
	}
	return p + 1 + n, goOn
}

// isKeyword reports whether b can be a word of a closed set.
func isKeyword(b []byte) bool {
	const longest = 32
	for _, c := range b {
		if text.Lower(c)-'a' >= 26 && c != '_' && c != '-' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= longest
}

// endTag closes the open node with the end tag at p.
func (d *Decoder) endTag(p int, s *pendingGap) (int, outcome) {
	name := nodes[d.open].name
	if next := endTagEnd(d.buf, p, d.end, d.tags.prefix, name); next > 0 && d.open != nodeNone {
		return d.closeNode(next, s)
	}
	s.after = leafNone
	t, ok := scanEndTag(d.buf, p, d.end)
	if !ok {
		return p, needMore
	}
	l, _ := child(d.open, t.local)
	switch {
	case d.open == nodeNone:
		return p, d.stop(ReasonNotAReport, p, "the document starts with an end tag")
	case string(t.local) == name, d.open == nodeIdentifiers && string(t.local) == "identities":
		return d.closeNode(t.next, s)
	case l != leafNone:
		// QUIRK(broken-sp-tag): the end of a leaf whose start tag is broken.
		d.note(CodeStrayEndTag, p, t.local)
		return t.next, goOn
	}
	return p, d.stop(ReasonSyntax, p, "end tag of %q inside of %q", text.Cut(string(t.local), 32), name)
}

// closeNode closes the open node; its end tag ends at p.
func (d *Decoder) closeNode(p int, s *pendingGap) (int, outcome) {
	was := d.open
	d.open = nodes[was].parent
	switch was {
	case nodeRecord:
		d.tags.add(s, d.buf[s.from:p], leafBetween)
		s.after = leafNone
		return p, d.endRecord(p)
	case nodeFeedback:
		d.root = rootClosed
	}
	return p, goOn
}

// startTag reads the start tag at p. The leaf is set when its value follows.
func (d *Decoder) startTag(p int, s *pendingGap) (leaf, int, outcome) {
	if !isNameStart(d.buf[p+1]) {
		s.after = leafNone
		if p+1 >= d.end {
			return leafNone, p, needMore
		}
		next, out := d.stray(p)
		return leafNone, next, out
	}
	t, ns, ok := scanTag(d.buf, p, d.end, d.namespace[:0])
	d.namespace = ns
	if !ok {
		return leafNone, p, needMore
	}
	if t.broken {
		d.note(CodeMalformedTag, p, d.buf[p:min(p+64, t.next)])
	}
	if d.open == nodeNone {
		if done, out := d.rootTag(&t, p); done {
			return leafNone, t.next, out
		}
	}
	native := t.prefix == nil || string(t.prefix) == d.tags.prefix
	if !t.plain || !native {
		s.after = leafNone
	}
	l, n := child(d.open, t.local)
	scope := len(d.prefixes)
	if (!native || len(ns) > 0) && d.isExtension(&t, p) {
		if l != leafNone || n != nodeNone {
			d.note(CodeForeignElement, p, d.buf[p+1:min(p+64, t.next)])
			d.unknown = d.unknown || d.open == nodeFeedback || d.open >= nodeRecord
		}
		l, n = leafNone, nodeNone
	}
	switch {
	case l != leafNone:
		return d.startLeaf(l, &t, p, s)
	case n != nodeNone:
		next, out := d.startNode(n, &t, p, s)
		return leafNone, next, out
	}
	s.after = leafNone
	d.prefixes = d.prefixes[:min(scope, len(d.prefixes))]
	return leafNone, t.next, d.startUnknown(&t, p)
}

func (d *Decoder) startLeaf(l leaf, t *tag, p int, s *pendingGap) (leaf, int, outcome) {
	if t.empty {
		s.after = leafNone
		d.set(l, nil, p)
		return leafNone, t.next, goOn
	}
	d.tags.add(s, d.buf[s.from:t.next], l)
	if d.open < nodeRecord {
		d.commitIn(l, t.next)
	}
	return l, t.next, goOn
}

func (d *Decoder) startNode(n node, t *tag, p int, s *pendingGap) (int, outcome) {
	switch {
	case n == nodePolicy && d.seen&seenPolicy != 0:
		// QUIRK(policy-dup): the first wins.
		d.warn(CodeDuplicatePolicy, p, "")
		s.after = leafNone
		return t.next, d.startSkip(t, p)
	case n == nodeMetadata && d.seen&seenMetadata != 0:
		d.warn(CodeDuplicateElement, p, nodes[n].name)
		s.after = leafNone
		return t.next, d.startSkip(t, p)
	case n == nodeIdentifiers && string(t.local) != nodes[n].name:
		// QUIRK(identities): junc.org and others.
		d.note(CodeRenamedElement, p, t.local)
		s.after = leafNone
	}
	s.open(n)
	d.openNode(n, p)
	d.open = n
	if t.empty {
		s.after = leafNone
		return d.closeNode(t.next, s)
	}
	return t.next, goOn
}

// openNode prepares for the values of n, which starts around p.
func (d *Decoder) openNode(n node, p int) {
	switch n {
	case nodeMetadata:
		d.seen |= seenMetadata
	case nodePolicy:
		d.seen |= seenPolicy
	case nodeRecord:
		d.openRecord()
	case nodeReason, nodeDKIM, nodeSPF:
		d.openEntry(n, p)
	}
}
