package reportjson

import (
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Record is one record of an aggregate report.
type Record struct {
	Header
	ExtraContactInfo string          `json:"extra_contact_info,omitempty"`
	Version          string          `json:"version,omitempty"`
	Namespace        string          `json:"namespace,omitempty"`
	Generator        string          `json:"generator,omitempty"`
	Errors           []string        `json:"errors,omitempty"`
	Policy           PublishedPolicy `json:"policy_published"`
	// SourceIP is the address, or what the report has in its place.
	SourceIP    string            `json:"source_ip"`
	Count       int64             `json:"count"`
	Disposition dmarc.Disposition `json:"disposition"`
	// DKIM and SPF are the aligned verdicts; Pass is whether one of them is a pass.
	DKIM dmarc.Evaluation `json:"dkim"`
	SPF  dmarc.Evaluation `json:"spf"`
	Pass bool             `json:"pass"`
	// The raw texts are given where they have more than the values above.
	RawDisposition string   `json:"raw_disposition,omitempty"`
	RawDKIM        string   `json:"raw_dkim,omitempty"`
	RawSPF         string   `json:"raw_spf,omitempty"`
	Reasons        []Reason `json:"reasons"`
	HeaderFrom     string   `json:"header_from"`
	EnvelopeFrom   string   `json:"envelope_from"`
	EnvelopeTo     string   `json:"envelope_to"`
	AuthDKIM       []DKIM   `json:"auth_dkim"`
	AuthSPF        []SPF    `json:"auth_spf"`
	// What is known of the address beside the report; only an export has it.
	Sender  string `json:"sender,omitempty"`
	ASN     int64  `json:"asn,omitempty"`
	ASName  string `json:"as_name,omitempty"`
	Country string `json:"country,omitempty"`
}

// PublishedPolicy is the policy that the reporter found, without its domain.
type PublishedPolicy struct {
	P               dmarc.Disposition `json:"p,omitempty"`
	SP              dmarc.Disposition `json:"sp,omitempty"`
	NP              dmarc.Disposition `json:"np,omitempty"`
	ADKIM           dmarc.Alignment   `json:"adkim,omitempty"`
	ASPF            dmarc.Alignment   `json:"aspf,omitempty"`
	Pct             *int              `json:"pct,omitempty"`
	Fo              string            `json:"fo,omitempty"`
	Testing         string            `json:"testing,omitempty"`
	DiscoveryMethod string            `json:"discovery_method,omitempty"`
}

// Reason is why the disposition differs from the policy.
type Reason struct {
	Type    string `json:"type"`
	Comment string `json:"comment,omitempty"`
}

// DKIM is one DKIM signature.
type DKIM struct {
	Domain      string           `json:"domain"`
	Selector    string           `json:"selector,omitempty"`
	Result      dmarc.AuthResult `json:"result"`
	RawResult   string           `json:"raw_result,omitempty"`
	HumanResult string           `json:"human_result,omitempty"`
}

// SPF is one SPF check.
type SPF struct {
	Domain      string           `json:"domain"`
	Scope       string           `json:"scope,omitempty"`
	Result      dmarc.AuthResult `json:"result"`
	RawResult   string           `json:"raw_result,omitempty"`
	HumanResult string           `json:"human_result,omitempty"`
}

// NewRecord makes the line of a record. The header needs only where the report
// was found; the rest is that of the report.
func NewRecord(h Header, r *dmarc.Report, rec *dmarc.Record) *Record {
	m, p := &r.Metadata, &r.Policy
	h.Kind, h.Org, h.Email, h.ReportID = unpack.KindAggregate, m.OrgName, m.Email, m.ReportID
	h.Domain, h.Begin, h.End = p.Domain, m.Begin, m.End
	l := &Record{
		Header: h, ExtraContactInfo: m.ExtraContactInfo, Version: r.Version, Namespace: r.Namespace, Generator: m.Generator, Errors: m.Errors,
		Policy: PublishedPolicy{
			P: p.P, SP: p.SP, NP: p.NP, ADKIM: p.ADKIM, ASPF: p.ASPF, Pct: p.Pct, Fo: p.Fo, Testing: p.Testing, DiscoveryMethod: p.DiscoveryMethod,
		},
		SourceIP: rec.Source, Count: rec.Count, Disposition: rec.Disposition, DKIM: rec.DKIM, SPF: rec.SPF, Pass: rec.Aligned(),
		RawDisposition: rec.RawDisposition, RawDKIM: rec.RawDKIM, RawSPF: rec.RawSPF,
		HeaderFrom: rec.HeaderFrom, EnvelopeFrom: rec.EnvelopeFrom, EnvelopeTo: rec.EnvelopeTo,
		Reasons: make([]Reason, 0, len(rec.Reasons)), AuthDKIM: make([]DKIM, 0, len(rec.AuthDKIM)), AuthSPF: make([]SPF, 0, len(rec.AuthSPF)),
	}
	if rec.SourceIP.IsValid() {
		l.SourceIP = rec.SourceIP.String()
	}
	for _, reason := range rec.Reasons {
		l.Reasons = append(l.Reasons, Reason(reason))
	}
	for _, a := range rec.AuthDKIM {
		l.AuthDKIM = append(l.AuthDKIM, DKIM(a))
	}
	for _, a := range rec.AuthSPF {
		l.AuthSPF = append(l.AuthSPF, SPF(a))
	}
	return l
}
