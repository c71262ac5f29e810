package tlsrpt

import (
	"net/netip"
	"slices"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// PolicyType is the kind of policy that sessions were held to (RFC 8460, section 4.4, policy-type).
type PolicyType string

// The policy types. PolicyTypeAbsent stands for a missing type, PolicyTypeOther for an unknown one.
const (
	PolicyTypeAbsent   PolicyType = ""
	PolicyTypeSTS      PolicyType = "sts"
	PolicyTypeTLSA     PolicyType = "tlsa"
	PolicyTypeNotFound PolicyType = "no-policy-found"
	PolicyTypeOther    PolicyType = "other"
)

// PolicyTypes returns every PolicyType but PolicyTypeAbsent.
func PolicyTypes() []PolicyType {
	return []PolicyType{PolicyTypeSTS, PolicyTypeTLSA, PolicyTypeNotFound, PolicyTypeOther}
}

// ResultType is why sessions failed (RFC 8460, section 4.3).
type ResultType string

// The result types. ResultTypeAbsent stands for a missing type, ResultTypeOther for an unknown one.
const (
	ResultTypeAbsent                  ResultType = ""
	ResultTypeSTARTTLSNotSupported    ResultType = "starttls-not-supported"
	ResultTypeCertificateHostMismatch ResultType = "certificate-host-mismatch"
	ResultTypeCertificateExpired      ResultType = "certificate-expired"
	ResultTypeCertificateNotTrusted   ResultType = "certificate-not-trusted"
	ResultTypeValidationFailure       ResultType = "validation-failure"
	ResultTypeTLSAInvalid             ResultType = "tlsa-invalid"
	ResultTypeDNSSECInvalid           ResultType = "dnssec-invalid"
	ResultTypeDANERequired            ResultType = "dane-required"
	ResultTypeSTSPolicyFetchError     ResultType = "sts-policy-fetch-error"
	ResultTypeSTSPolicyInvalid        ResultType = "sts-policy-invalid"
	ResultTypeSTSWebPKIInvalid        ResultType = "sts-webpki-invalid"
	ResultTypeOther                   ResultType = "other"
)

// ResultTypes returns every ResultType but ResultTypeAbsent.
func ResultTypes() []ResultType {
	return []ResultType{
		ResultTypeSTARTTLSNotSupported, ResultTypeCertificateHostMismatch, ResultTypeCertificateExpired,
		ResultTypeCertificateNotTrusted, ResultTypeValidationFailure, ResultTypeTLSAInvalid,
		ResultTypeDNSSECInvalid, ResultTypeDANERequired, ResultTypeSTSPolicyFetchError,
		ResultTypeSTSPolicyInvalid, ResultTypeSTSWebPKIInvalid, ResultTypeOther,
	}
}

// Report is one TLS report (RFC 8460, section 4). Strings are valid UTF-8 of
// at most 4096 bytes.
type Report struct {
	// OrganizationName falls back to the domain of ContactInfo when the report has none.
	OrganizationName string
	ContactInfo      string
	// ReportID is verbatim but for surrounding white space and angle brackets.
	// It is synthesised from the content when the report has none.
	ReportID string
	// Start and End are UTC.
	Start, End time.Time
	// Policies is empty for a report about no session, which is a good report.
	Policies []Policy
	// UnknownKeys names the keys outside RFC 8460, such as "policies.x", in the
	// order of their first appearance; at most 32.
	UnknownKeys []string
	// Warnings lists at most dmarc.MaxWarnings tolerated deviations.
	Warnings []dmarc.Warning
	// WarningsDropped counts the warnings beyond dmarc.MaxWarnings.
	WarningsDropped int
}

// Policy is one policy with the sessions that were held to it.
type Policy struct {
	Type PolicyType
	// RawType is the text as sent when Type is other or was folded.
	RawType string
	// Domain is lower case without a trailing dot; empty when it is missing,
	// as some reporters leave it out when there is no policy.
	Domain string
	// Strings are the lines of the policy as sent. Microsoft writes the TLSA
	// records as JSON in one string.
	Strings []string
	// MXHosts are host names or patterns as sent.
	MXHosts []string
	// Successful and Failed are the sessions of the summary, never negative.
	Successful, Failed int64
	// Details need not add up to Failed.
	Details []Detail
}

// Sessions returns the number of sessions, successful or not.
func (p *Policy) Sessions() int64 { return p.Successful + p.Failed }

// Detail is one entry of failure-details. Everything in it is optional.
type Detail struct {
	ResultType ResultType
	// RawResultType is the text as sent when ResultType is other or was folded.
	RawResultType string
	// SendingMTAIP and ReceivingIP are the zero Addr when the text beside them is no address.
	SendingMTAIP          netip.Addr
	SendingMTA            string
	ReceivingIP           netip.Addr
	Receiving             string
	ReceivingMXHostname   string
	ReceivingMXHELO       string
	FailedSessions        int64
	AdditionalInformation string
	FailureReasonCode     string
}

// Sessions returns the number of sessions of all policies.
func (r *Report) Sessions() int64 { return text.AddCounts(r.Successful(), r.Failed()) }

// Successful returns the number of sessions that complied with their policy.
func (r *Report) Successful() int64 {
	var n int64
	for i := range r.Policies {
		n = text.AddCounts(n, r.Policies[i].Successful)
	}
	return n
}

// Failed returns the number of sessions that did not comply with their policy.
func (r *Report) Failed() int64 {
	var n int64
	for i := range r.Policies {
		n = text.AddCounts(n, r.Policies[i].Failed)
	}
	return n
}

// Domains returns the policy domains, each once, in the order of the report.
func (r *Report) Domains() []string {
	var domains []string
	for i := range r.Policies {
		if d := r.Policies[i].Domain; d != "" && !slices.Contains(domains, d) {
			domains = append(domains, d)
		}
	}
	return domains
}
