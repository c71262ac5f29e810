package dmarc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// maxEntries bounds the lists of one record and the error elements of one
// report. RFC 9990 advises at most 100 DKIM signatures (section 3.1.3).
const maxEntries = 1000

// Leaves that may occur again: per signature, check or reason, and error.
const (
	seenReason = 1<<leafReasonType | 1<<leafReasonComment
	seenDKIM   = 1<<leafDKIMDomain | 1<<leafDKIMSelector | 1<<leafDKIMResult | 1<<leafDKIMHuman
	seenSPF    = 1<<leafSPFDomain | 1<<leafSPFScope | 1<<leafSPFResult | 1<<leafSPFHuman
	seenRecord = seenReason | seenDKIM | seenSPF | 1<<leafSource | 1<<leafCount | 1<<leafDisposition |
		1<<leafEvalDKIM | 1<<leafEvalSPF | 1<<leafHeaderFrom | 1<<leafEnvelopeFrom | 1<<leafEnvelopeTo

	// Beyond the leaves: nodes that occur once.
	seenMetadata = 1 << 62
	seenPolicy   = 1 << 63
)

// openRecord prepares the record for its values.
func (d *Decoder) openRecord() {
	r := d.rec
	*r = Record{Count: -1, Reasons: r.Reasons[:0], AuthDKIM: r.AuthDKIM[:0], AuthSPF: r.AuthSPF[:0]}
	d.seen &^= seenRecord
	d.drop, d.outside = false, len(d.prefixes)
	if d.digest == nil && d.records == 0 && d.doc.report.Metadata.ReportID == "" {
		// QUIRK(report-id-missing): the identity is made from the records, in
		// case that no report_id comes behind them.
		d.digest = sha256.New()
	}
}

// openEntry prepares the list entry that the values of n belong to.
func (d *Decoder) openEntry(n node, pos int) {
	r := d.rec
	d.work += workEntry
	switch n {
	case nodeReason:
		d.seen &^= seenReason
		if d.drop = d.listFull(len(r.Reasons), n, pos); !d.drop {
			r.Reasons = append(r.Reasons, OverrideReason{})
		}
	case nodeDKIM:
		d.seen &^= seenDKIM
		if d.drop = d.listFull(len(r.AuthDKIM), n, pos); !d.drop {
			r.AuthDKIM = append(r.AuthDKIM, DKIMAuth{})
		}
	case nodeSPF:
		d.seen &^= seenSPF
		if d.drop = d.listFull(len(r.AuthSPF), n, pos); !d.drop {
			r.AuthSPF = append(r.AuthSPF, SPFAuth{})
		}
	}
}

// listFull reports whether a list with n entries takes no more, and warns once.
func (d *Decoder) listFull(n int, of node, pos int) bool {
	if n < maxEntries {
		return false
	}
	if !d.drop {
		d.warn(CodeElementsDropped, pos, nodes[of].name)
	}
	return true
}

// set stores the value b, trimmed and valid UTF-8, of leaf l. The value was
// found at pos in the window. The first of several values wins.
func (d *Decoder) set(l leaf, b []byte, pos int) {
	if d.seen&(1<<l) != 0 && l != leafError {
		d.warn(CodeDuplicateElement, pos, leaves[l].name)
		return
	}
	d.seen |= 1 << l
	switch leaves[l].node {
	case nodeFeedback, nodeMetadata, nodeDateRange:
		d.setMetadata(l, b, pos)
	case nodePolicy:
		d.setPolicy(l, b, pos)
	case nodeRow, nodeEvaluated, nodeIdentifiers:
		d.setRow(l, b, pos)
	default:
		if !d.drop {
			d.setEntry(l, b, pos)
		}
	}
}

func (d *Decoder) setRow(l leaf, b []byte, pos int) {
	r := d.rec
	switch l {
	case leafSource:
		r.Source, r.SourceIP = d.source(b, pos)
	case leafCount:
		if len(b) > 0 {
			var code Code
			r.Count, code = parseCount(b)
			d.note(code, pos, b)
		}
	case leafDisposition:
		r.Disposition, r.RawDisposition = d.disposition(b, pos)
	case leafEvalDKIM:
		r.DKIM, r.RawDKIM = d.evaluation(b, pos)
	case leafEvalSPF:
		r.SPF, r.RawSPF = d.evaluation(b, pos)
	case leafHeaderFrom:
		r.HeaderFrom = d.domain(b, pos)
	case leafEnvelopeFrom:
		r.EnvelopeFrom = d.domain(b, pos)
	case leafEnvelopeTo:
		r.EnvelopeTo = d.domain(b, pos)
	}
}

func (d *Decoder) setEntry(l leaf, b []byte, pos int) {
	r := d.rec
	switch l {
	case leafReasonType:
		r.Reasons[len(r.Reasons)-1].Type = d.fold(b, pos)
	case leafReasonComment:
		r.Reasons[len(r.Reasons)-1].Comment = d.text(b)
	case leafDKIMDomain:
		r.AuthDKIM[len(r.AuthDKIM)-1].Domain = d.domain(b, pos)
	case leafDKIMSelector:
		r.AuthDKIM[len(r.AuthDKIM)-1].Selector = d.text(b)
	case leafDKIMResult:
		e := &r.AuthDKIM[len(r.AuthDKIM)-1]
		e.Result, e.RawResult = d.authResult(b, pos)
	case leafDKIMHuman:
		r.AuthDKIM[len(r.AuthDKIM)-1].HumanResult = d.text(b)
	case leafSPFDomain:
		r.AuthSPF[len(r.AuthSPF)-1].Domain = d.domain(b, pos)
	case leafSPFScope:
		r.AuthSPF[len(r.AuthSPF)-1].Scope = d.fold(b, pos)
	case leafSPFResult:
		e := &r.AuthSPF[len(r.AuthSPF)-1]
		e.Result, e.RawResult = d.authResult(b, pos)
	case leafSPFHuman:
		r.AuthSPF[len(r.AuthSPF)-1].HumanResult = d.text(b)
	}
}

// digestRecord adds the record to the digest that stands in for a missing report_id.
func (d *Decoder) digestRecord() {
	r := d.rec
	fmt.Fprintf(d.digest, "%q %d %q %q %q %q %q\n", r.Source, r.Count, r.Disposition, r.DKIM, r.SPF, r.HeaderFrom, r.EnvelopeFrom)
	for i := range r.AuthDKIM {
		fmt.Fprintf(d.digest, "dkim %q\n", r.AuthDKIM[i])
	}
	for i := range r.AuthSPF {
		fmt.Fprintf(d.digest, "spf %q\n", r.AuthSPF[i])
	}
}

// madeReportID returns an identity for a report that has none. The same
// report gives the same identity, however its XML is written.
func (d *Decoder) madeReportID() string {
	h := d.digest
	if h == nil {
		h = sha256.New()
	}
	r := &d.doc.report
	m := &r.Metadata
	fmt.Fprintf(h, "%q %q %q %d %d\n", m.OrgName, m.Email, r.Policy.Domain, m.Begin.Unix(), m.End.Unix())
	return "sha256." + hex.EncodeToString(h.Sum(nil)[:16])
}

// closeRecord completes the record that ends at pos and reports whether it
// holds anything.
func (d *Decoder) closeRecord(pos int) bool {
	if d.seen&seenRecord == 0 {
		// QUIRK(empty-record): <record/> beside good ones is no record.
		d.warn(CodeEmptyRecord, pos, "")
		return false
	}
	r := d.rec
	if r.Count < 0 {
		// QUIRK(count-odd): an unusable count keeps the record but counts nothing.
		r.Count = 0
		d.warn(CodeCountMissing, pos, "")
	}
	if r.Source == "" {
		d.warn(CodeSourceMissing, pos, "")
	}
	if r.HeaderFrom == "" {
		// QUIRK(header-from-odd): the record is kept; the policy domain is the best guess.
		r.HeaderFrom = d.doc.report.Policy.Domain
		d.warn(CodeHeaderFromMissing, pos, r.HeaderFrom)
	}
	// QUIRK(disposition-odd), QUIRK(pe-missing): absent, never none and never pass.
	if r.Disposition == DispositionAbsent && r.RawDisposition == "" {
		d.warn(CodeDispositionMissing, pos, "")
	}
	if r.DKIM == EvaluationAbsent && r.RawDKIM == "" {
		d.warn(CodeEvaluationMissing, pos, "dkim")
	}
	if r.SPF == EvaluationAbsent && r.RawSPF == "" {
		d.warn(CodeEvaluationMissing, pos, "spf")
	}
	d.checkEntries(pos)
	return true
}

func (d *Decoder) checkEntries(pos int) {
	r := d.rec
	if len(r.AuthDKIM)+len(r.AuthSPF) == 0 {
		d.warn(CodeAuthResultsMissing, pos, "")
	}
	for i := range r.AuthDKIM {
		if r.AuthDKIM[i].Result == AuthResultAbsent {
			d.warn(CodeResultMissing, pos, "dkim")
		}
	}
	for i := range r.AuthSPF {
		if r.AuthSPF[i].Result == AuthResultAbsent {
			d.warn(CodeResultMissing, pos, "spf")
		}
	}
	for i := range r.Reasons {
		if r.Reasons[i].Type == "" {
			// QUIRK(reasons-odd): reasons without a type, with an empty one, and <reason/>.
			d.warn(CodeReasonTypeMissing, pos, r.Reasons[i].Comment)
		}
	}
}

// source reads a source address; the text is kept whatever it is.
func (d *Decoder) source(b []byte, pos int) (s string, a netip.Addr) {
	if len(b) == 0 {
		return "", netip.Addr{}
	}
	s = d.text(b)
	a, code := parseSource(s)
	d.note(code, pos, b)
	return s, a
}

// keyword folds b to lower case, in a buffer that the next call uses again,
// and reports whether that changed it.
func (d *Decoder) keyword(b []byte, pos int) (low []byte, folded bool) {
	if !slices.ContainsFunc(b, func(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 0x80 }) {
		return b, false
	}
	// QUIRK(enum-case-space): PASS, Pass and None.
	d.folded = text.AppendLower(d.folded[:0], b)
	if bytes.Equal(d.folded, b) {
		return b, false
	}
	d.note(CodeValueCase, pos, b)
	return d.folded, true
}

func (d *Decoder) fold(b []byte, pos int) string {
	low, _ := d.keyword(b, pos)
	return d.text(low)
}

func (d *Decoder) disposition(b []byte, pos int) (v Disposition, raw string) {
	low, folded := d.keyword(b, pos)
	v = parseDisposition(string(low))
	if v == DispositionAbsent && len(b) > 0 {
		d.note(CodeDispositionUnknown, pos, b)
		folded = true
	}
	if folded {
		raw = d.text(b)
	}
	return v, raw
}

func (d *Decoder) evaluation(b []byte, pos int) (v Evaluation, raw string) {
	low, folded := d.keyword(b, pos)
	v = parseEvaluation(string(low))
	if v == EvaluationAbsent && len(b) > 0 {
		// QUIRK(pe-odd): softfail and none are no alignment.
		d.note(CodeEvaluationUnknown, pos, b)
		folded = true
	}
	if folded {
		raw = d.text(b)
	}
	return v, raw
}

func (d *Decoder) authResult(b []byte, pos int) (v AuthResult, raw string) {
	low, folded := d.keyword(b, pos)
	v = parseAuthResult(string(low))
	if v == AuthResultOther {
		// QUIRK(enum-unknown-results): hardfail, unknown, error, invalid, not.evaluated.
		d.note(CodeResultUnknown, pos, b)
		folded = true
	}
	if folded {
		raw = d.text(b)
	}
	return v, raw
}

// text makes a string of a value, which may be anywhere in memory.
func (d *Decoder) text(b []byte) string {
	if len(b) > internMax {
		return string(b)
	}
	n := copy(d.key[:], b)
	if s, ok := d.strings.word(d.key[:], 0, n); ok {
		return s
	}
	return string(b)
}

// domain makes a string of a domain.
func (d *Decoder) domain(b []byte, pos int) string {
	if len(b) == 0 {
		return ""
	}
	if !text.IsASCII(b) {
		host, form := text.ToASCII(d.Text.Host).Host(string(b))
		d.note(domainCode(form), pos, b)
		return host
	}
	if form := text.CheckHost(b); form != text.HostNormal {
		d.note(domainCode(form), pos, b)
		d.folded = text.AppendHost(d.folded[:0], b)
		b = d.folded
	}
	return d.text(b)
}
