package reportjson

import (
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Failure is a failure report.
type Failure struct {
	Header
	Version            string                 `json:"version,omitempty"`
	UserAgent          string                 `json:"user_agent,omitempty"`
	AuthFailure        failure.AuthFailure    `json:"auth_failure"`
	RawAuthFailure     string                 `json:"raw_auth_failure,omitempty"`
	IdentityAlignment  []string               `json:"identity_alignment"`
	DeliveryResult     failure.DeliveryResult `json:"delivery_result"`
	RawDeliveryResult  string                 `json:"raw_delivery_result,omitempty"`
	ReportedDomains    []string               `json:"reported_domains"`
	ReportedURIs       []string               `json:"reported_uris,omitempty"`
	SourceIP           string                 `json:"source_ip"`
	SourcePort         uint16                 `json:"source_port,omitempty"`
	Sent               time.Time              `json:"sent,omitzero"`
	Arrival            time.Time              `json:"arrival_date,omitzero"`
	Incidents          int64                  `json:"incidents"`
	MailFrom           string                 `json:"original_mail_from"`
	RcptTo             []string               `json:"original_rcpt_to"`
	EnvelopeID         string                 `json:"original_envelope_id,omitempty"`
	ReportingMTA       string                 `json:"reporting_mta,omitempty"`
	AuthResults        []string               `json:"authentication_results,omitempty"`
	DKIMDomain         string                 `json:"dkim_domain,omitempty"`
	DKIMIdentity       string                 `json:"dkim_identity,omitempty"`
	DKIMSelector       string                 `json:"dkim_selector,omitempty"`
	DKIMSelectorDNS    string                 `json:"dkim_selector_dns,omitempty"`
	SPFDNS             []string               `json:"spf_dns,omitempty"`
	EvidenceFound      bool                   `json:"evidence_found"`
	EvidenceHeaderFrom string                 `json:"evidence_header_from,omitempty"`
	EvidenceMessageID  string                 `json:"evidence_message_id,omitempty"`
	EvidenceDate       time.Time              `json:"evidence_date,omitzero"`
}

// NewFailure makes the line of a failure report. It holds what the report
// holds: call its Redact before for a line that is kept. The header needs only
// where the report was found.
func NewFailure(h Header, f *failure.Report) *Failure {
	h.Kind, h.Org, h.Email, h.ReportID, h.Domain = unpack.KindFailure, f.Reporter, f.ReporterAddress, f.ReportID, f.Domain
	h.Begin, h.End = f.Arrival, f.Arrival
	l := &Failure{
		Header: h, Version: f.Version, UserAgent: f.UserAgent,
		AuthFailure: f.AuthFailure, RawAuthFailure: f.RawAuthFailure, IdentityAlignment: orEmpty(f.IdentityAlignment),
		DeliveryResult: f.DeliveryResult, RawDeliveryResult: f.RawDeliveryResult,
		ReportedDomains: orEmpty(f.ReportedDomains), ReportedURIs: f.ReportedURIs,
		SourceIP: f.Source, SourcePort: f.SourcePort, Sent: f.Sent, Arrival: f.Arrival, Incidents: f.Incidents,
		MailFrom: f.OriginalMailFrom, RcptTo: orEmpty(f.OriginalRcptTo), EnvelopeID: f.OriginalEnvelopeID,
		ReportingMTA: f.ReportingMTA, AuthResults: f.AuthenticationResults,
		DKIMDomain: f.DKIMDomain, DKIMIdentity: f.DKIMIdentity, DKIMSelector: f.DKIMSelector, DKIMSelectorDNS: f.DKIMSelectorDNS,
		SPFDNS: f.SPFDNS, EvidenceFound: f.Evidence.Found, EvidenceHeaderFrom: f.Evidence.HeaderFrom,
		EvidenceMessageID: f.Evidence.MessageID, EvidenceDate: f.Evidence.Date,
	}
	if f.SourceIP.IsValid() {
		l.SourceIP = f.SourceIP.String()
	}
	return l
}
