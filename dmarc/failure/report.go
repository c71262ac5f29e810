package failure

import (
	"net/netip"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// AuthFailure is the check that failed (RFC 6591, section 3.2; RFC 9991, section 4).
type AuthFailure string

// The kinds of failure. AuthFailureAbsent stands for a missing value, AuthFailureOther for an unknown one.
const (
	AuthFailureAbsent    AuthFailure = ""
	AuthFailureADSP      AuthFailure = "adsp"
	AuthFailureBodyHash  AuthFailure = "bodyhash"
	AuthFailureDMARC     AuthFailure = "dmarc"
	AuthFailureRevoked   AuthFailure = "revoked"
	AuthFailureSignature AuthFailure = "signature"
	AuthFailureSPF       AuthFailure = "spf"
	AuthFailureOther     AuthFailure = "other"
)

// AuthFailures returns every AuthFailure but AuthFailureAbsent.
func AuthFailures() []AuthFailure {
	return []AuthFailure{
		AuthFailureADSP, AuthFailureBodyHash, AuthFailureDMARC, AuthFailureRevoked,
		AuthFailureSignature, AuthFailureSPF, AuthFailureOther,
	}
}

// DeliveryResult is what became of the message (RFC 6591, section 3.2.2).
type DeliveryResult string

// The delivery results. DeliveryAbsent stands for a missing value;
// DeliveryOther is a value of RFC 6591 and stands for unknown ones as well.
const (
	DeliveryAbsent    DeliveryResult = ""
	DeliveryDelivered DeliveryResult = "delivered"
	DeliverySpam      DeliveryResult = "spam"
	DeliveryPolicy    DeliveryResult = "policy"
	DeliveryReject    DeliveryResult = "reject"
	DeliveryOther     DeliveryResult = "other"
)

// DeliveryResults returns every DeliveryResult but DeliveryAbsent.
func DeliveryResults() []DeliveryResult {
	return []DeliveryResult{DeliveryDelivered, DeliverySpam, DeliveryPolicy, DeliveryReject, DeliveryOther}
}

// Report is one failure report. Strings are valid UTF-8 of at most 4096 bytes,
// without comments of the mail around them where only a word is of interest.
type Report struct {
	// Reporter is the domain of ReporterAddress.
	Reporter string
	// ReporterAddress is the address in the From field of the mail that carried
	// the report; empty for a bare feedback report.
	ReporterAddress string
	// ReportID is the Message-ID of that mail without angle brackets. It is
	// synthesised from the content when there is none.
	ReportID string
	// Sent is the Date of that mail in UTC, or the zero time.
	Sent time.Time

	// Version and UserAgent are as sent.
	Version, UserAgent string
	AuthFailure        AuthFailure
	// RawAuthFailure is the text as sent when AuthFailure is other or was folded.
	RawAuthFailure string
	// IdentityAlignment lists the words as sent, whose meaning changed from
	// RFC 7489 to RFC 9991: see the package documentation.
	IdentityAlignment []string
	DeliveryResult    DeliveryResult
	// RawDeliveryResult is the text as sent when DeliveryResult is other or was folded.
	RawDeliveryResult string
	// Domain is the first of ReportedDomains, lower case without a trailing
	// dot. It falls back to the From domain of the failed message, and is never empty.
	Domain          string
	ReportedDomains []string
	ReportedURIs    []string
	// SourceIP is the zero Addr when the text in Source has no address.
	SourceIP netip.Addr
	Source   string
	// SourcePort is 0 when it is missing.
	SourcePort uint16
	// Arrival is when the failed message arrived, in UTC. It falls back to
	// Sent, and is the zero time when that is missing too.
	Arrival time.Time
	// Incidents is how many failures the report stands for: 1 unless the report says otherwise.
	Incidents             int64
	OriginalMailFrom      string
	OriginalRcptTo        []string
	OriginalEnvelopeID    string
	ReportingMTA          string
	AuthenticationResults []string
	DKIMDomain            string
	DKIMIdentity          string
	DKIMSelector          string
	DKIMSelectorDNS       string
	SPFDNS                []string
	Evidence              Evidence

	// UnknownFields names the fields of the feedback report that no RFC has, in
	// the order of their first appearance; at most 32. Their values are not kept.
	UnknownFields []string
	// Warnings lists at most dmarc.MaxWarnings tolerated deviations.
	Warnings []dmarc.Warning
	// WarningsDropped counts the warnings beyond dmarc.MaxWarnings.
	WarningsDropped int
}

// Evidence is what is kept of the failed message, which is untrusted input.
type Evidence struct {
	// Found is true when the report carries the message or its header.
	Found bool
	// HeaderFrom is the domain of the first From address, lower case without a
	// trailing dot; empty when it cannot be read.
	HeaderFrom string
	// MessageID is as sent, without angle brackets.
	MessageID string
	// Date is in UTC; the zero time when it cannot be read.
	Date time.Time
}

// Redact removes the local part of every address in r and the values that may
// hold personal data in another form: what stays of them are domains.
func (r *Report) Redact() {
	r.ReporterAddress = redact(r.ReporterAddress)
	r.OriginalMailFrom = redact(r.OriginalMailFrom)
	for i := range r.OriginalRcptTo {
		r.OriginalRcptTo[i] = redact(r.OriginalRcptTo[i])
	}
	r.DKIMIdentity = redact(r.DKIMIdentity)
	r.OriginalEnvelopeID, r.Evidence.MessageID = "", ""
	r.AuthenticationResults, r.ReportedURIs = nil, nil
	for i := range r.Warnings {
		if strings.Contains(r.Warnings[i].Value, "@") {
			r.Warnings[i].Value = ""
		}
	}
}

func redact(address string) string {
	if address == "" {
		return ""
	}
	return "@" + addressDomain(address, nil)
}
