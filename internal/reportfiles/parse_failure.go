package reportfiles

import (
	"io"
	"strconv"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
)

// failureLine is a failure report.
type failureLine struct {
	reportHeader
	Version            string    `json:"version,omitempty"`
	UserAgent          string    `json:"user_agent,omitempty"`
	AuthFailure        string    `json:"auth_failure"`
	RawAuthFailure     string    `json:"raw_auth_failure,omitempty"`
	IdentityAlignment  []string  `json:"identity_alignment"`
	DeliveryResult     string    `json:"delivery_result"`
	RawDeliveryResult  string    `json:"raw_delivery_result,omitempty"`
	ReportedDomains    []string  `json:"reported_domains"`
	ReportedURIs       []string  `json:"reported_uris,omitempty"`
	SourceIP           string    `json:"source_ip"`
	SourcePort         uint16    `json:"source_port,omitempty"`
	Sent               time.Time `json:"sent,omitzero"`
	Arrival            time.Time `json:"arrival_date,omitzero"`
	Incidents          int64     `json:"incidents"`
	MailFrom           string    `json:"original_mail_from"`
	RcptTo             []string  `json:"original_rcpt_to"`
	EnvelopeID         string    `json:"original_envelope_id,omitempty"`
	ReportingMTA       string    `json:"reporting_mta,omitempty"`
	AuthResults        []string  `json:"authentication_results,omitempty"`
	DKIMDomain         string    `json:"dkim_domain,omitempty"`
	DKIMIdentity       string    `json:"dkim_identity,omitempty"`
	DKIMSelector       string    `json:"dkim_selector,omitempty"`
	DKIMSelectorDNS    string    `json:"dkim_selector_dns,omitempty"`
	SPFDNS             []string  `json:"spf_dns,omitempty"`
	EvidenceFound      bool      `json:"evidence_found"`
	EvidenceHeaderFrom string    `json:"evidence_header_from,omitempty"`
	EvidenceMessageID  string    `json:"evidence_message_id,omitempty"`
	EvidenceDate       time.Time `json:"evidence_date,omitzero"`
}

// cells returns the columns of the section for failure reports.
func (l *failureLine) cells() (section, []string) {
	return sectionFailure, []string{
		l.AuthFailure, l.DeliveryResult, strconv.FormatInt(l.Incidents, 10), l.SourceIP, l.MailFrom, l.DKIMDomain, l.EvidenceHeaderFrom,
	}
}

// parseFailure prints a failure report.
func parseFailure(r io.Reader, header reportHeader, emit func(line)) error {
	f, err := failure.Parser{Text: i18n.Text()}.Parse(r)
	if err != nil {
		return err
	}
	header.Org, header.Email, header.ReportID, header.Domain = f.Reporter, f.ReporterAddress, f.ReportID, f.Domain
	header.Begin, header.End = f.Arrival, f.Arrival
	l := &failureLine{
		reportHeader: header, Version: f.Version, UserAgent: f.UserAgent,
		AuthFailure: string(f.AuthFailure), RawAuthFailure: f.RawAuthFailure, IdentityAlignment: orEmpty(f.IdentityAlignment),
		DeliveryResult: string(f.DeliveryResult), RawDeliveryResult: f.RawDeliveryResult,
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
	emit(l)
	return nil
}
