package dmarc

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
)

// xmlWriter writes elements. The first error of the writer stays.
type xmlWriter struct {
	w      io.Writer
	buf    []byte
	indent string
	depth  int
	err    error
}

// buffered is how many bytes are kept before they are written.
const buffered = 64 << 10

// flush writes what is kept.
func (x *xmlWriter) flush() {
	if x.err == nil && len(x.buf) > 0 {
		if _, err := x.w.Write(x.buf); err != nil {
			x.err = fmt.Errorf("encode report: %w", err)
		}
	}
	x.buf = x.buf[:0]
}

func (x *xmlWriter) raw(s string) { x.buf = append(x.buf, s...) }

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

// start writes the tag that opens an element, end the one that closes it.
func (x *xmlWriter) start(name string) {
	x.buf = append(append(append(x.buf, '<'), name...), '>')
}

func (x *xmlWriter) end(name string) {
	x.buf = append(append(append(x.buf, '<', '/'), name...), '>')
	if len(x.buf) >= buffered {
		x.flush()
	}
}

func (x *xmlWriter) open(name string) {
	x.line()
	x.start(name)
	x.depth++
}

func (x *xmlWriter) close(name string) {
	x.depth--
	x.line()
	x.end(name)
}

func (x *xmlWriter) leaf(name, text string) {
	x.line()
	x.start(name)
	x.buf = appendEscaped(x.buf, text)
	x.end(name)
}

func (x *xmlWriter) optional(name, text string) {
	if text != "" {
		x.leaf(name, text)
	}
}

func (x *xmlWriter) number(name string, n int64) {
	x.line()
	x.start(name)
	x.buf = strconv.AppendInt(x.buf, n, 10)
	x.end(name)
}

func (x *xmlWriter) address(name string, a netip.Addr) {
	x.line()
	x.start(name)
	x.buf = a.Unmap().WithZone("").AppendTo(x.buf)
	x.end(name)
}

// appendEscaped escapes markup, and the white space that parsers normalise.
func appendEscaped(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		if s[i] > '>' { // most text, and nothing that the cases name
			continue
		}
		var reference string
		switch s[i] {
		case '&':
			reference = "&amp;"
		case '<':
			reference = "&lt;"
		case '>':
			reference = "&gt;"
		case '\t':
			reference = "&#9;"
		case '\n':
			reference = "&#10;"
		case '\r':
			reference = "&#13;"
		default:
			continue
		}
		b = append(append(b, s[from:i]...), reference...)
		from = i + 1
	}
	return append(b, s[from:]...)
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
