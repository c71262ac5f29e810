package dmarc

import "bytes"

// run parses from the checkpoint to the end of a record or of the report. The
// fast path goes from value to value: read a plain value, compare the gap behind
// it with those in the tag cache. What is not plain takes the slow path:
// slowValue for the content of a leaf, readTags for the tags between two leaves.
func (d *Decoder) run() outcome {
	if !d.started {
		return needMore
	}
	l, p := d.checkpoint.leaf, d.checkpoint.at
	out := goOn
	if l == leafNone {
		l, p, out = d.readTags(p, pendingGap{})
	}
	for out == goOn {
		v := p // the start of the value of l
		if l != leafBetween {
			if p = d.plainValue(l, v); p < 0 {
				l, p, out = d.slowValue(l, v)
				continue
			}
		}
		g := d.tags.find(l, d.buf[p:d.end])
		if g == nil || !d.cross(l, g, v, p) {
			l, p, out = d.slowGap(l, v, p)
			continue
		}
		p += len(g.text)
		d.work++
		switch l = g.next; {
		case l == leafBetween:
			out = d.endRecord(p)
		case l < leafSource:
			d.commitIn(l, p)
		}
	}
	return out
}

// plainValue reads the value of l that starts at p and returns the place of
// the '<' behind it, or -1 when the value needs the slow path. Values of a record are
// stored; those of the header are left to cross.
func (d *Decoder) plainValue(l leaf, p int) int {
	buf := d.buf
	if l < leafSource {
		// Where the window ends before the value, end is in the slack and its byte is no '<'.
		end := plainEnd(buf, p)
		if buf[end] != '<' || end-p > d.limits.TextBytes {
			return -1
		}
		return end
	}
	bit := uint64(1) << l
	if d.seen&bit != 0 {
		return -1
	}
	end := p
	switch {
	case d.drop && leaves[l].node >= nodeReason && leaves[l].node != nodeIdentifiers:
		if end = plainEnd(buf, p); buf[end] != '<' {
			return -1
		}
	case l == leafCount:
		n := int64(0)
		for ; buf[end]-'0' < 10 && end < p+12; end++ {
			n = n*10 + int64(buf[end]-'0')
		}
		if end == p || buf[end] != '<' {
			return -1
		}
		d.rec.Count = n
	case l == leafSource:
		end = plainEnd(buf, p)
		e := d.strings.source(buf, p, end)
		if e == nil || buf[end] != '<' {
			return -1
		}
		d.rec.Source, d.rec.SourceIP = e.text, e.addr
	default:
		last := &d.last[l]
		end += len(*last)
		if end >= d.end || buf[end] != '<' || string(buf[p:end]) != *last {
			end = plainEnd(buf, p)
			if buf[end] != '<' || !d.recall(l, last, p, end) {
				return -1
			}
		}
		d.assign(l, *last)
	}
	d.seen |= bit
	return end
}

// recall finds the string for the value buf[p:end] of l and makes it the last
// one. It reports false when the value is not clean: a warning is due, or
// white space surrounds it, or it is too long to keep.
func (d *Decoder) recall(l leaf, last *string, p, end int) bool {
	b := d.buf[p:end]
	switch l {
	case leafDisposition:
		return clean(last, string(parseDisposition(string(b))), b)
	case leafEvalDKIM, leafEvalSPF:
		return clean(last, string(parseEvaluation(string(b))), b)
	case leafDKIMResult, leafSPFResult:
		return clean(last, string(parseAuthResult(string(b))), b)
	case leafHeaderFrom, leafEnvelopeFrom, leafEnvelopeTo, leafDKIMDomain, leafSPFDomain:
		if s, ok := d.strings.domain(d.buf, p, end); ok {
			*last = s
			return true
		}
	case leafReasonType, leafSPFScope:
		if bytes.ContainsFunc(b, func(r rune) bool { return r < 'a' || r > 'z' }) && string(b) != "local_policy" {
			return false
		}
		fallthrough
	default:
		if s, ok := d.strings.word(d.buf, p, end); ok {
			*last = s
			return true
		}
	}
	return false
}

// clean stores the constant v if it is spelled b.
func clean(last *string, v string, b []byte) bool {
	if v != string(b) || v == string(AuthResultOther) {
		return false
	}
	*last = v
	return true
}

// assign stores a clean value of l.
func (d *Decoder) assign(l leaf, s string) {
	r := d.rec
	switch l {
	case leafDisposition:
		r.Disposition, r.RawDisposition = Disposition(s), ""
	case leafEvalDKIM:
		r.DKIM, r.RawDKIM = Evaluation(s), ""
	case leafEvalSPF:
		r.SPF, r.RawSPF = Evaluation(s), ""
	case leafReasonType:
		r.Reasons[len(r.Reasons)-1].Type = s
	case leafReasonComment:
		r.Reasons[len(r.Reasons)-1].Comment = s
	case leafHeaderFrom:
		r.HeaderFrom = s
	case leafEnvelopeFrom:
		r.EnvelopeFrom = s
	case leafEnvelopeTo:
		r.EnvelopeTo = s
	case leafDKIMDomain:
		r.AuthDKIM[len(r.AuthDKIM)-1].Domain = s
	case leafDKIMSelector:
		r.AuthDKIM[len(r.AuthDKIM)-1].Selector = s
	case leafDKIMResult:
		e := &r.AuthDKIM[len(r.AuthDKIM)-1]
		e.Result, e.RawResult = AuthResult(s), ""
	case leafDKIMHuman:
		r.AuthDKIM[len(r.AuthDKIM)-1].HumanResult = s
	case leafSPFDomain:
		r.AuthSPF[len(r.AuthSPF)-1].Domain = s
	case leafSPFScope:
		r.AuthSPF[len(r.AuthSPF)-1].Scope = s
	case leafSPFResult:
		e := &r.AuthSPF[len(r.AuthSPF)-1]
		e.Result, e.RawResult = AuthResult(s), ""
	case leafSPFHuman:
		r.AuthSPF[len(r.AuthSPF)-1].HumanResult = s
	}
}

// cross goes over the gap g behind the value buf[v:p] of l. It reports false,
// and does nothing, when the gap means something else this time.
func (d *Decoder) cross(l leaf, g *gap, v, p int) bool {
	for _, n := range g.opens[:g.opened] {
		if n == nodeMetadata && d.seen&seenMetadata != 0 || n == nodePolicy && d.seen&seenPolicy != 0 {
			return false
		}
	}
	if l < leafSource {
		d.set(l, bytes.TrimSpace(d.buf[v:p]), v)
	}
	for _, n := range g.opens[:g.opened] {
		d.openNode(n, p)
	}
	return true
}

// slowGap reads the gap behind the plain value buf[v:p] of l without the tag cache.
func (d *Decoder) slowGap(l leaf, v, p int) (leaf, int, outcome) {
	d.open = leaves[l].node
	if l == leafBetween {
		return d.readTags(p, pendingGap{after: l, from: p})
	}
	next := -1
	if d.buf[p+1] == '/' {
		next = endTagEnd(d.buf, p, d.end, d.tags.prefix, leaves[l].name)
	}
	if next < 0 {
		if l >= leafSource {
			d.seen &^= 1 << l
		}
		return d.slowValue(l, v)
	}
	if l < leafSource {
		d.set(l, bytes.TrimSpace(d.buf[v:p]), v)
		d.commit(next)
	}
	return d.readTags(next, pendingGap{after: l, from: p})
}

// slowValue reads the value of l at p, whatever it looks like, and on to the next.
func (d *Decoder) slowValue(l leaf, p int) (leaf, int, outcome) {
	d.open = leaves[l].node
	b, next, out := d.value(l, p)
	if out != goOn {
		return leafNone, p, out
	}
	d.set(l, bytes.TrimSpace(b), p)
	if d.open < nodeRecord {
		d.commit(next)
	}
	return d.readTags(next, pendingGap{})
}

// endRecord completes the record that ends at p.
func (d *Decoder) endRecord(p int) outcome {
	d.open = nodeFeedback
	if d.held(p) > d.limits.RecordBytes {
		return d.tooLarge()
	}
	complete := d.closeRecord(p)
	d.work += workRecord
	d.prefixes = d.prefixes[:d.outside]
	d.commitIn(leafBetween, p)
	if !complete {
		return goOn
	}
	if d.work > d.limits.Work {
		return d.tooCostly(p)
	}
	if d.records++; d.records > d.limits.Records {
		return d.stop(ReasonTooMany, p, "the report has more than %d records", d.limits.Records)
	}
	if d.digest != nil {
		d.digestRecord()
	}
	return gotRecord
}
