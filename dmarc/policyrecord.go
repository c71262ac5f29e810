package dmarc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// ErrNotDMARC is the error of a TXT record that is not a DMARC policy record and has to
// be passed over: it does not start with v=DMARC1.
var ErrNotDMARC = errors.New("the record does not start with v=DMARC1")

// ErrNoPolicy is the error of a policy record that asks for nothing: it has no valid
// p tag, or an sp or np tag that is not valid, and no valid rua tag. A domain with
// such a record has no policy.
var ErrNoPolicy = errors.New("the record has neither a valid policy nor a valid rua")

// The warnings of a policy record.
const (
	CodeRecordSyntax     Code = "record_syntax"         // a part without an equals sign, dropped
	CodeRecordUnknownTag Code = "record_unknown_tag"    // a tag that no RFC has, kept in Unknown
	CodeRecordHistoric   Code = "record_historic_tag"   // pct, rf or ri, which RFC 9989 removed
	CodeRecordRepeated   Code = "record_repeated_tag"   // a tag that occurs again: the first wins
	CodeRecordValue      Code = "record_value_invalid"  // a value that the tag does not have, ignored
	CodeRecordNoPolicy   Code = "record_policy_missing" // no valid p, or an invalid sp or np: p=none alone, because there is a rua
	CodeRecordURI        Code = "record_uri_invalid"    // a URI without a destination, dropped
	CodeRecordScheme     Code = "record_uri_scheme"     // a URI that is not mailto, kept
	CodeRecordSize       Code = "record_uri_size"       // a URI with a size limit, which RFC 9990 ignores
	CodeRecordCut        Code = "record_list_cut"       // a list of more than 100, cut
)

// RecordCodes returns every warning code of a policy record, in the order of documentation.
func RecordCodes() []Code {
	return []Code{
		CodeRecordSyntax, CodeRecordUnknownTag, CodeRecordHistoric, CodeRecordRepeated, CodeRecordValue,
		CodeRecordNoPolicy, CodeRecordURI, CodeRecordScheme, CodeRecordSize, CodeRecordCut,
	}
}

// PolicyRecord is the policy that a domain owner publishes in the DNS (RFC 9989,
// section 4.7). Absent tags are empty or nil, never a default.
type PolicyRecord struct {
	// P is DispositionNone when the record has a rua but no valid p, or an sp or np
	// that is not valid; SP and NP are then absent.
	P Disposition
	// SP and NP are for subdomains, and for subdomains that do not exist.
	SP, NP      Disposition
	ADKIM, ASPF Alignment
	// Testing is the t tag: "y", "n" or empty.
	Testing string
	// PSD is whether the domain is a public suffix: "y", "n", "u" or empty.
	PSD string
	// RUA and RUF are the destinations of aggregate and of failure reports.
	RUA, RUF []ReportURI
	// FO lists the failure reporting options: "0", "1", "d" and "s".
	FO []string

	// Pct is nil when absent or invalid. RFC 9989 removed it, like RF and RI.
	Pct *int
	// RF lists the formats of failure reports.
	RF []string
	// RI is the interval between aggregate reports; 0 when absent.
	RI time.Duration

	// Unknown lists the tags that no RFC has, in order.
	Unknown []Tag
}

// Tag is one tag of a policy record as sent, but for white space around it.
type Tag struct {
	// Name is lower case.
	Name, Value string
}

// Requested returns what the domain owner wants done with a message that
// fails: subdomain is true when its From domain is below the domain of the
// record, exists when the From domain exists in the DNS. With t=y it is one
// level lower (RFC 9989, section 4.7).
func (r *PolicyRecord) Requested(subdomain, exists bool) Disposition {
	p := r.P
	if subdomain && r.SP != DispositionAbsent {
		p = r.SP
	}
	if subdomain && !exists && r.NP != DispositionAbsent {
		p = r.NP
	}
	if r.Testing == "y" {
		switch p {
		case DispositionReject:
			p = DispositionQuarantine
		case DispositionQuarantine:
			p = DispositionNone
		}
	}
	return p
}

// ParseRecord reads the text of one TXT record. Unknown tags and invalid values
// never refuse it; they are warnings, whose Offset counts in txt. The error is
// ErrNotDMARC or ErrNoPolicy, and the record is then nil.
func ParseRecord(txt string) (*PolicyRecord, []Warning, error) {
	p := recordParser{}
	if !p.parse(txt) {
		return nil, nil, ErrNotDMARC
	}
	if p.record.P == DispositionAbsent || p.void {
		if len(p.record.RUA) == 0 {
			return nil, p.warnings, ErrNoPolicy
		}
		// RFC 9989, section 4.10.1: as if the record had p=none.
		p.record.P, p.record.SP, p.record.NP = DispositionNone, DispositionAbsent, DispositionAbsent
		p.warn(CodeRecordNoPolicy, "")
	}
	return &p.record, p.warnings, nil
}

// maxRecordList bounds each list of a record, and its tags.
const maxRecordList = 100

type recordParser struct {
	record   PolicyRecord
	warnings []Warning
	offset   int64 // of the current tag
	seen     []string
	void     bool // sp or np has no valid value
}

func (p *recordParser) warn(code Code, value string) {
	w := Warning{Code: code, Offset: p.offset, Value: text.Cut(value, 64)}
	p.warnings, _ = text.Add(p.warnings, w, MaxWarnings, Warning.code)
}

// parse reads all tags. It returns false when txt is no DMARC record.
func (p *recordParser) parse(txt string) bool {
	version, rest, more := strings.Cut(txt, ";")
	name, value, _ := strings.Cut(version, "=")
	// The version is the one value whose case matters, and nothing may stand before it.
	if strings.TrimRight(name, " \t") != "v" || strings.Trim(value, " \t") != "DMARC1" {
		return false
	}
	at := len(version) + 1
	for more {
		var tag string
		tag, rest, more = strings.Cut(rest, ";")
		p.offset = int64(at + len(tag) - len(strings.TrimLeft(tag, " \t\r\n")))
		at += len(tag) + 1
		p.tag(strings.TrimSpace(tag))
	}
	return true
}

func (p *recordParser) tag(sent string) {
	if sent == "" {
		return
	}
	name, value, ok := strings.Cut(sent, "=")
	if !ok {
		p.warn(CodeRecordSyntax, sent)
		return
	}
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	if slices.Contains(p.seen, name) {
		p.warn(CodeRecordRepeated, sent)
		return
	}
	if len(p.seen) == maxRecordList {
		p.warn(CodeRecordCut, sent)
		return
	}
	p.seen = append(p.seen, name)
	if !p.current(name, value) && !p.historic(name, value) {
		p.warn(CodeRecordUnknownTag, sent)
		p.record.Unknown = append(p.record.Unknown, Tag{name, value})
	}
}

// current reads a tag of RFC 9989.
func (p *recordParser) current(name, value string) bool {
	r := &p.record
	switch name {
	case "v": // A second version has no meaning.
		p.warn(CodeRecordRepeated, value)
	case "p":
		r.P = p.policy(value)
	case "sp":
		r.SP = p.policy(value)
		p.void = p.void || r.SP == DispositionAbsent
	case "np":
		r.NP = p.policy(value)
		p.void = p.void || r.NP == DispositionAbsent
	case "adkim":
		r.ADKIM = Alignment(p.word(value, "r", "s"))
	case "aspf":
		r.ASPF = Alignment(p.word(value, "r", "s"))
	case "t":
		r.Testing = p.word(value, "y", "n")
	case "psd":
		r.PSD = p.word(value, "y", "n", "u")
	case "rua":
		r.RUA = p.uris(value)
	case "ruf":
		r.RUF = p.uris(value)
	case "fo":
		for option := range strings.SplitSeq(value, ":") {
			if w := p.word(strings.TrimSpace(option), "0", "1", "d", "s"); w != "" && !slices.Contains(r.FO, w) {
				r.FO = append(r.FO, w)
			}
		}
	default:
		return false
	}
	return true
}

// historic reads a tag that RFC 7489 had.
func (p *recordParser) historic(name, value string) bool {
	r := &p.record
	switch name {
	case "pct":
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil || n > 100 {
			p.warn(CodeRecordValue, value)
			break
		}
		pct := int(n)
		r.Pct = &pct
	case "ri":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			p.warn(CodeRecordValue, value)
			break
		}
		r.RI = time.Duration(n) * time.Second
	case "rf":
		for format := range strings.SplitSeq(strings.ToLower(value), ":") {
			if format = strings.TrimSpace(format); format != "" && len(r.RF) < maxRecordList {
				r.RF = append(r.RF, format)
			}
		}
	default:
		return false
	}
	p.warn(CodeRecordHistoric, name)
	return true
}

func (p *recordParser) policy(value string) Disposition {
	return Disposition(p.word(value, string(DispositionNone), string(DispositionQuarantine), string(DispositionReject)))
}

// word returns the one of words that value is in any case, or nothing.
func (p *recordParser) word(value string, words ...string) string {
	low := strings.ToLower(value)
	if !slices.Contains(words, low) {
		p.warn(CodeRecordValue, value)
		return ""
	}
	return low
}

func (p *recordParser) uris(value string) (list []ReportURI) {
	for element := range strings.SplitSeq(value, ",") {
		element = strings.TrimSpace(element)
		u, err := parseReportURI(element)
		switch {
		case err != nil:
			p.warn(CodeRecordURI, element)
			continue
		case len(list) == maxRecordList:
			p.warn(CodeRecordCut, element)
			continue
		case u.Scheme != "mailto":
			p.warn(CodeRecordScheme, element)
		}
		if u.MaxBytes > 0 {
			p.warn(CodeRecordSize, element)
		}
		list = append(list, u)
	}
	return list
}

// String returns the record as text, the tags in the order of RFC 9989 and
// unknown ones last.
func (r *PolicyRecord) String() string {
	var b strings.Builder
	b.WriteString("v=DMARC1")
	add := func(name, value string) {
		if value != "" {
			b.WriteString("; " + name + "=" + value)
		}
	}
	add("p", string(r.P))
	add("sp", string(r.SP))
	add("np", string(r.NP))
	add("adkim", string(r.ADKIM))
	add("aspf", string(r.ASPF))
	add("t", r.Testing)
	add("psd", r.PSD)
	add("rua", joinURIs(r.RUA))
	add("ruf", joinURIs(r.RUF))
	add("fo", strings.Join(r.FO, ":"))
	if r.Pct != nil {
		add("pct", strconv.Itoa(*r.Pct))
	}
	add("rf", strings.Join(r.RF, ":"))
	if r.RI > 0 {
		add("ri", fmt.Sprint(int64(r.RI/time.Second)))
	}
	for _, t := range r.Unknown {
		b.WriteString("; " + t.Name + "=" + t.Value)
	}
	return b.String()
}
