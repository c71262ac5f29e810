package dmarc

import (
	"bufio"
	"fmt"
	"net/netip"
	"strconv"
)

// xmlWriter writes elements. The first error of the writer stays.
type xmlWriter struct {
	w       *bufio.Writer
	indent  string
	depth   int
	scratch []byte
	err     error
}

func (x *xmlWriter) note(err error) {
	if x.err == nil && err != nil {
		x.err = fmt.Errorf("encode report: %w", err)
	}
}

func (x *xmlWriter) raw(s string) {
	_, err := x.w.WriteString(s)
	x.note(err)
}

// line starts a line, if the report has lines.
func (x *xmlWriter) line() {
	if x.indent == "" {
		return
	}
	x.raw("\n")
	for range x.depth {
		x.raw(x.indent)
	}
}

func (x *xmlWriter) open(name string) {
	x.line()
	x.raw("<")
	x.raw(name)
	x.raw(">")
	x.depth++
}

func (x *xmlWriter) close(name string) {
	x.depth--
	x.line()
	x.raw("</")
	x.raw(name)
	x.raw(">")
}

func (x *xmlWriter) element(name string, text []byte) {
	x.line()
	x.raw("<")
	x.raw(name)
	x.raw(">")
	_, err := x.w.Write(text)
	x.note(err)
	x.raw("</")
	x.raw(name)
	x.raw(">")
}

func (x *xmlWriter) leaf(name, text string) {
	x.scratch = appendEscaped(x.scratch[:0], text)
	x.element(name, x.scratch)
}

func (x *xmlWriter) optional(name, text string) {
	if text != "" {
		x.leaf(name, text)
	}
}

func (x *xmlWriter) number(name string, n int64) {
	x.scratch = strconv.AppendInt(x.scratch[:0], n, 10)
	x.element(name, x.scratch)
}

func (x *xmlWriter) address(name string, a netip.Addr) {
	x.scratch = a.Unmap().WithZone("").AppendTo(x.scratch[:0])
	x.element(name, x.scratch)
}

// appendEscaped escapes markup, and the white space that parsers normalise.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '\t', '\n', '\r':
			b = append(b, "&#"...)
			b = strconv.AppendInt(b, int64(c), 10)
			b = append(b, ';')
		default:
			b = append(b, c)
		}
	}
	return b
}

func (x *xmlWriter) metadata(m *Metadata) {
	x.open("report_metadata")
	x.leaf("org_name", m.OrgName)
	x.leaf("email", m.Email)
	x.optional("extra_contact_info", m.ExtraContactInfo)
	x.leaf("report_id", m.ReportID)
	x.open("date_range")
	x.number("begin", m.Begin.Unix())
	x.number("end", m.End.Unix())
	x.close("date_range")
	for _, t := range m.Errors {
		x.leaf("error", t)
	}
	x.optional("generator", m.Generator)
	x.close("report_metadata")
}

func (x *xmlWriter) policy(p *Policy) {
	x.open("policy_published")
	x.leaf("domain", p.Domain)
	x.leaf("p", string(p.P))
	x.optional("sp", string(p.SP))
	x.optional("np", string(p.NP))
	x.optional("adkim", string(p.ADKIM))
	x.optional("aspf", string(p.ASPF))
	x.optional("testing", p.Testing)
	x.optional("discovery_method", p.DiscoveryMethod)
	x.optional("fo", p.Fo)
	x.close("policy_published")
}

func (x *xmlWriter) record(rec *Record) {
	x.open("record")
	x.open("row")
	x.address("source_ip", rec.SourceIP)
	x.number("count", rec.Count)
	x.open("policy_evaluated")
	x.leaf("disposition", string(rec.Disposition))
	x.leaf("dkim", string(rec.DKIM))
	x.leaf("spf", string(rec.SPF))
	for i := range rec.Reasons {
		x.open("reason")
		x.leaf("type", rec.Reasons[i].Type)
		x.optional("comment", rec.Reasons[i].Comment)
		x.close("reason")
	}
	x.close("policy_evaluated")
	x.close("row")

	x.open("identifiers")
	x.leaf("header_from", rec.HeaderFrom)
	x.optional("envelope_from", rec.EnvelopeFrom)
	x.optional("envelope_to", rec.EnvelopeTo)
	x.close("identifiers")

	x.open("auth_results")
	for i := range rec.AuthDKIM {
		a := &rec.AuthDKIM[i]
		x.open("dkim")
		x.leaf("domain", a.Domain)
		x.leaf("selector", a.Selector)
		x.leaf("result", string(a.Result))
		x.optional("human_result", a.HumanResult)
		x.close("dkim")
	}
	for i := range rec.AuthSPF {
		a := &rec.AuthSPF[i]
		x.open("spf")
		x.leaf("domain", a.Domain)
		x.optional("scope", a.Scope)
		x.leaf("result", string(a.Result))
		x.optional("human_result", a.HumanResult)
		x.close("spf")
	}
	x.close("auth_results")
	x.close("record")
}
