package dmarc

import (
	"net/netip"
	"time"
)

// Disposition is the policy action a receiver applied to messages
// (RFC 9990, ActionDispositionType; RFC 7489 lacks pass).
type Disposition string

// The dispositions of RFC 9990. DispositionAbsent stands for a missing or an
// unknown value; the text as sent is kept beside it.
const (
	DispositionAbsent     Disposition = ""
	DispositionNone       Disposition = "none"
	DispositionPass       Disposition = "pass"
	DispositionQuarantine Disposition = "quarantine"
	DispositionReject     Disposition = "reject"
)

// Evaluation is an aligned DKIM or SPF verdict of policy_evaluated (RFC 9990, DMARCResultType).
type Evaluation string

// The evaluations. EvaluationAbsent stands for a missing or an unknown value and is never a pass.
const (
	EvaluationAbsent Evaluation = ""
	EvaluationPass   Evaluation = "pass"
	EvaluationFail   Evaluation = "fail"
)

// AuthResult is a raw DKIM or SPF result of auth_results (RFC 8601, section 2.7).
type AuthResult string

// The authentication results of both mechanisms. AuthResultAbsent stands for
// a missing value, AuthResultOther for an unknown one.
const (
	AuthResultAbsent    AuthResult = ""
	AuthResultNone      AuthResult = "none"
	AuthResultPass      AuthResult = "pass"
	AuthResultFail      AuthResult = "fail"
	AuthResultSoftFail  AuthResult = "softfail"
	AuthResultNeutral   AuthResult = "neutral"
	AuthResultPolicy    AuthResult = "policy"
	AuthResultTempError AuthResult = "temperror"
	AuthResultPermError AuthResult = "permerror"
	AuthResultOther     AuthResult = "other"
)

// Alignment is the alignment mode of a published policy (RFC 9989, adkim and aspf).
type Alignment string

// The alignment modes; AlignmentAbsent means not reported, which is not the same as relaxed.
const (
	AlignmentAbsent  Alignment = ""
	AlignmentRelaxed Alignment = "r"
	AlignmentStrict  Alignment = "s"
)

// Report is one aggregate report without its records (RFC 9990, section 3.1.1;
// RFC 7489, appendix C). Strings are valid UTF-8 and safe to keep.
type Report struct {
	// Namespace is the namespace URI of the root element, empty when bare.
	Namespace string
	// Version is the text of the version element, which is no discriminator.
	Version  string
	Metadata Metadata
	Policy   Policy
	// Records is filled by Parse and left nil by a Decoder.
	Records []Record
	// Warnings lists at most MaxWarnings tolerated deviations.
	Warnings []Warning
	// WarningsDropped counts the warnings beyond MaxWarnings.
	WarningsDropped int
}

// Metadata is report_metadata.
type Metadata struct {
	// OrgName falls back to the domain of Email when the report has none.
	OrgName          string
	Email            string
	ExtraContactInfo string
	// ReportID is verbatim but for surrounding white space and angle brackets.
	// It is synthesised from the content when the report has none.
	ReportID string
	// Begin and End are UTC.
	Begin, End time.Time
	// Errors are the error elements: RFC 7489 allows several.
	Errors []string
	// Generator is the software that wrote the report (RFC 9990).
	Generator string
}

// Policy is policy_published. Absent elements are empty or nil, never a default.
type Policy struct {
	// Domain is lower case without a trailing dot.
	Domain      string
	P, SP, NP   Disposition
	ADKIM, ASPF Alignment
	// Pct is nil when absent or unreadable; RFC 9990 removed it.
	Pct *int
	// Fo is the failure reporting option verbatim.
	Fo string
	// Testing is "y", "n" or empty (RFC 9990).
	Testing string
	// DiscoveryMethod is "psl", "treewalk" or empty (RFC 9990).
	DiscoveryMethod string
}

// Record is one row of a report. A Decoder reuses the slices of the Record it
// is given: they are valid until the next call of Next. Strings are always
// safe to keep. Clone makes a Record that is.
type Record struct {
	// SourceIP is the parsed source address, IPv4-mapped addresses unmapped;
	// the zero Addr when the text in Source is not an address.
	SourceIP netip.Addr
	// Source is the address as sent, trimmed. It shares up to a kibibyte of
	// memory with others: programs that keep many use strings.Clone.
	Source string
	// Count is never negative; an unusable count is 0 with a warning.
	Count       int64
	Disposition Disposition
	// RawDisposition is the text as sent when Disposition is absent or was folded.
	RawDisposition string
	// DKIM and SPF are the aligned verdicts of policy_evaluated.
	DKIM, SPF       Evaluation
	RawDKIM, RawSPF string
	Reasons         []OverrideReason
	// HeaderFrom is lower case without a trailing dot.
	HeaderFrom   string
	EnvelopeFrom string
	EnvelopeTo   string
	AuthDKIM     []DKIMAuth
	AuthSPF      []SPFAuth
}

// Aligned reports whether the messages of r passed DMARC: an aligned pass of DKIM or SPF.
func (r *Record) Aligned() bool { return r.DKIM == EvaluationPass || r.SPF == EvaluationPass }

// OverrideReason is why the applied disposition differs from the policy (PolicyOverrideReason).
type OverrideReason struct {
	// Type is folded to lower case and kept even when neither RFC has it.
	Type    string
	Comment string
}

// DKIMAuth is one DKIM signature of auth_results.
type DKIMAuth struct {
	Domain, Selector string
	Result           AuthResult
	// RawResult is the text as sent when Result is absent, other or was folded.
	RawResult   string
	HumanResult string
}

// SPFAuth is one SPF check of auth_results.
type SPFAuth struct {
	Domain string
	// Scope is "helo", "mfrom" or empty, folded to lower case.
	Scope       string
	Result      AuthResult
	RawResult   string
	HumanResult string
}
