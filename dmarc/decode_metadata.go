package dmarc

import (
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Namespaces of the root element.
const (
	namespace2 = "urn:ietf:params:xml:ns:dmarc-2.0"
	namespace1 = "http://dmarc.org/dmarc-xml/0.1"
)

func (d *Decoder) setMetadata(l leaf, b []byte, pos int) {
	m := &d.doc.report.Metadata
	switch l {
	case leafVersion:
		d.doc.report.Version = d.text(b)
	case leafOrgName:
		m.OrgName = d.text(b)
		if strings.Contains(m.OrgName, "@") {
			d.warn(CodeOrgAddress, pos, m.OrgName)
		}
	case leafEmail:
		m.Email = d.text(b)
	case leafContact:
		m.ExtraContactInfo = d.text(b)
	case leafReportID:
		// The angle brackets are not part of the id (RFC 9990, section 3.5.1).
		m.ReportID = text.TrimAngles(d.text(b))
	case leafError:
		if len(m.Errors) >= maxEntries {
			d.warn(CodeElementsDropped, pos, "error")
			return
		}
		m.Errors = append(m.Errors, d.text(b))
	case leafGenerator:
		m.Generator = d.text(b)
	case leafBegin:
		m.Begin = d.date(b, pos)
	case leafEnd:
		m.End = d.date(b, pos)
	}
}

// date reads begin or end. What is unreadable stays the zero time, which
// refuses the report at its end.
func (d *Decoder) date(b []byte, pos int) time.Time {
	t, code := parseDate(b)
	d.note(code, pos, b)
	return t
}

func (d *Decoder) setPolicy(l leaf, b []byte, pos int) {
	p := &d.doc.report.Policy
	if len(b) == 0 {
		// QUIRK(policy-odd): an empty element says nothing, so it is absent.
		d.warn(CodePolicyValueMissing, pos, leaves[l].name)
		return
	}
	switch l {
	case leafDomain:
		p.Domain = d.domain(b, pos)
	case leafP:
		p.P = d.policyAction(b, pos)
	case leafSP:
		p.SP = d.policyAction(b, pos)
	case leafNP:
		p.NP = d.policyAction(b, pos)
	case leafADKIM:
		p.ADKIM = Alignment(d.policyWord(b, pos, "r", "s"))
	case leafASPF:
		p.ASPF = Alignment(d.policyWord(b, pos, "r", "s"))
	case leafPct:
		n, ok := text.Digits(b)
		if !ok || n > 100 {
			// QUIRK(policy-odd): "100%" and words; nil is not 100.
			d.note(CodePolicyValueInvalid, pos, b)
			return
		}
		d.doc.pct = int(n)
		p.Pct = &d.doc.pct
	case leafFo:
		p.Fo = d.text(b)
	case leafTesting:
		p.Testing = d.policyWord(b, pos, "y", "n")
	case leafDiscovery:
		p.DiscoveryMethod = d.policyWord(b, pos, "psl", "treewalk")
	}
}

// policyAction reads p, sp or np, which know no pass.
func (d *Decoder) policyAction(b []byte, pos int) Disposition {
	low, _ := d.keyword(b, pos)
	v := parseDisposition(string(low))
	if v == DispositionAbsent || v == DispositionPass {
		// QUIRK(policy-odd): sp of "nil".
		d.note(CodePolicyValueInvalid, pos, b)
		return DispositionAbsent
	}
	return v
}

func (d *Decoder) policyWord(b []byte, pos int, one, other string) string {
	low, _ := d.keyword(b, pos)
	switch string(low) {
	case one:
		return one
	case other:
		return other
	}
	d.note(CodePolicyValueInvalid, pos, b)
	return ""
}

// finish completes the report at its end, or refuses it.
func (d *Decoder) finish() error {
	r := &d.doc.report
	m := &r.Metadata
	if m.Begin.IsZero() || m.End.IsZero() {
		return d.fail(ReasonNoDates, d.end, "the report has no readable date_range")
	}
	if r.Policy.Domain == "" {
		return d.fail(ReasonNoDomain, d.end, "the report has no policy domain")
	}
	if d.records == 0 && d.unknown {
		// QUIRK(records-unknown): <records><record>…: messages that nobody counts must not look like none.
		return d.fail(ReasonSyntax, d.end, "the report has no record but elements that are not known in their place")
	}
	if u, ok := d.r.(*text.UTF16Reader); ok && u.Replaced {
		d.warn(CodeInvalidText, d.end, "unpaired surrogates of UTF-16")
	}
	if m.OrgName == "" {
		// QUIRK(org-missing): the domain of the address names the reporter as well.
		m.OrgName = text.ToASCII(d.Text.Host).AddressHost(m.Email)
		d.warn(CodeOrgMissing, d.end, m.OrgName)
	}
	if m.ReportID == "" {
		m.ReportID = d.madeReportID()
		d.warn(CodeReportIDMissing, d.end, m.ReportID)
	}
	switch span := m.End.Sub(m.Begin); {
	case span == 0:
		d.warn(CodePeriodEmpty, d.end, "")
	case span < 0:
		d.warn(CodePeriodReversed, d.end, "")
	case span > 25*time.Hour:
		d.warn(CodePeriodLong, d.end, span.String())
	}
	return nil
}
