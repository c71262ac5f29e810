package tally

import (
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// Family names a group of sums with the same labels.
type Family string

// The families of sums and their labels.
const (
	Messages      Family = "messages"       // domain, disposition, dkim, spf
	ClassMessages Family = "class_messages" // domain, class
	// AuthenticMessages are those of ClassMessages in authentic reports. A domain
	// without any has no series.
	AuthenticMessages Family = "authentic_messages" // domain, class

	SourceMessages   Family = "source_messages"   // domain, source, compliant (true or false)
	ReporterMessages Family = "reporter_messages" // reporter
	// AuthenticReporterMessages are those of ReporterMessages in authentic reports.
	AuthenticReporterMessages Family = "authentic_reporter_messages" // reporter

	Reports        Family = "reports"         // kind, reporter, outcome
	Refusals       Family = "refusals"        // reason
	Warnings       Family = "warnings"        // code: counted reports that have it
	TLSSessions    Family = "tls_sessions"    // domain, policy type, result (successful or failed)
	TLSFailures    Family = "tls_failures"    // domain, result type
	Failures       Family = "failures"        // domain, auth failure: incidents
	Authenticated  Family = "authenticated"   // auth: see Auths
	Overflow       Family = "overflow"        // label (domain, reporter, source or signer)
	TenantOverflow Family = "tenant_overflow" // tenant, label
	SignerMessages Family = "signer_messages" // reporter, domain, DKIM domain, SPF domain, what: see Config.Signers

	delayFamily Family = "delay" // upper bound in seconds, or sum: see Snapshot.Delay
	// Families that are never shown.
	evidenceFamily  Family = "evidence"  // pool, name and, if there is one, tenant: see evidence
	authenticFamily Family = "authentic" // domain: the day of its last authentic report
	// reporterEndFamily is shown as Snapshot.Reporters.
	reporterEndFamily Family = "reporter_end" // reporter: the end of its latest aggregate report, in Unix seconds
)

// Families with a reporter have the tenant as one more label, which is not shown:
// a series is the sum of those of all tenants.

// Series is one committed sum.
type Series struct {
	Labels []string
	Value  int64
	// Created is when the series began at 0.
	Created time.Time
}

// sum is the value of a series in memory.
type sum struct {
	value   int64
	created int64 // Unix milliseconds
}

// SeriesKey is a family and its label values, separated by NUL, which no label
// value holds.
type SeriesKey string

// KeyOf returns the key of a series.
func KeyOf(f Family, labels ...string) SeriesKey {
	return SeriesKey(string(f) + "\x00" + strings.Join(labels, "\x00"))
}

// Split returns the family and the label values.
func (k SeriesKey) Split() (Family, []string) {
	family, rest, _ := strings.Cut(string(k), "\x00")
	return Family(family), strings.Split(rest, "\x00")
}

// fixedSeries are the series that exist from the start, so that their first
// increase is seen: closed sets of labels only.
func fixedSeries(tenants []Tenant) []SeriesKey {
	var all []SeriesKey
	for _, reason := range dmarc.Reasons() {
		all = append(all, KeyOf(Refusals, string(reason)))
	}
	for _, auth := range Auths() {
		all = append(all, KeyOf(Authenticated, auth))
	}
	for p := range pools {
		all = append(all, KeyOf(Overflow, p.label()))
		for _, tenant := range tenants {
			if p != poolDomain {
				all = append(all, KeyOf(TenantOverflow, tenant.Name, p.label()))
			}
		}
	}
	for _, outcome := range Outcomes() {
		if outcome == OutcomeInvalid {
			all = append(all, KeyOf(Reports, Unknown, Unknown, string(outcome)))
			continue
		}
		for _, kind := range kinds() {
			all = append(all, KeyOf(Reports, kind, Other, string(outcome)))
		}
	}
	return all
}

// Auths returns the outcomes of authenticating mails with reports. A mismatch is
// an authentic mail of somebody who does not speak for the reporter.
func Auths() []string { return []string{"pass", "mismatch", "fail", "none"} }

func kinds() []string {
	return []string{string(unpack.KindAggregate), string(unpack.KindTLS), string(unpack.KindFailure)}
}

// vocabulary are the closed sets that values of entries are held to before
// they become labels.
type vocabulary struct {
	codes map[dmarc.Code]bool
}

func newVocabulary() vocabulary {
	v := vocabulary{map[dmarc.Code]bool{}}
	for _, codes := range [][]dmarc.Code{dmarc.Codes(), unpack.Codes(), tlsrpt.Codes(), failure.Codes()} {
		for _, code := range codes {
			v.codes[code] = true
		}
	}
	return v
}

func (v vocabulary) code(c dmarc.Code) string {
	if !v.codes[c] {
		return Other
	}
	return string(c)
}

// oneOf returns the label for a value of a closed set, whose zero value is absent.
func oneOf[T ~string](value T, set []T) string {
	switch {
	case value == "":
		return Unknown
	case !slices.Contains(set, value):
		return Other
	}
	return string(value)
}
