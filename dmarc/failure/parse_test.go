package failure

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/parsetest"
)

var parse parsetest.Parse[Report] = Parse

func read(t testing.TB, name string) string { return parsetest.Read(t, name+".eml") }

func full() *Report {
	return &Report{
		Reporter:           "mailcorp.example",
		ReporterAddress:    "dmarc-noreply@mailcorp.example",
		ReportID:           "fail-1@mailcorp.example",
		Sent:               time.Date(2026, 3, 2, 8, 0, 5, 0, time.UTC),
		Version:            "1",
		UserAgent:          "Gardener/2.0",
		AuthFailure:        AuthFailureDMARC,
		IdentityAlignment:  []string{"none"},
		DeliveryResult:     DeliveryReject,
		Domain:             "garden.example",
		ReportedDomains:    []string{"garden.example"},
		SourceIP:           netip.MustParseAddr("192.0.2.77"),
		Source:             "192.0.2.77",
		SourcePort:         2525,
		Arrival:            time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC),
		Incidents:          4,
		OriginalMailFrom:   "bounce@spoof.example",
		OriginalRcptTo:     []string{"alice@mailcorp.example"},
		OriginalEnvelopeID: "4Xyz",
		AuthenticationResults: []string{
			"mx.mailcorp.example; dmarc=fail header.from=garden.example; spf=fail smtp.mailfrom=spoof.example",
		},
		Evidence: Evidence{
			Found:      true,
			HeaderFrom: "garden.example",
			MessageID:  "evil-1@spoof.example",
			Date:       time.Date(2026, 3, 2, 7, 59, 58, 0, time.UTC),
		},
	}
}

// quirk is a file of testdata, how its report differs from full.eml, and its warnings.
type quirk struct {
	name   string
	codes  []dmarc.Code
	adjust func(r *Report)
}

func quirks() []quirk {
	noMail := func(r *Report) {
		r.Reporter, r.ReporterAddress, r.ReportID, r.Sent, r.Evidence = "", "", "", time.Time{}, Evidence{}
	}
	noEvidence := func(r *Report) { r.Evidence = Evidence{} }
	return []quirk{
		{"full", nil, nil},
		{"bare-lf", nil, nil},
		{"bare-fields", []dmarc.Code{CodeReportIDMissing}, noMail},
		{"bare-part", []dmarc.Code{CodeReportIDMissing}, noMail},
		{"base64-mixed", nil, nil},
		{"fail-base64", []dmarc.Code{CodeEncodingWrong}, nil},
		{"base64-declared-wrongly", []dmarc.Code{CodeEncodingWrong}, nil},
		{"quoted-printable", nil, nil},
		{"fail-plain-text", []dmarc.Code{CodePlainText}, func(r *Report) {
			r.Version, r.UserAgent, r.IdentityAlignment, r.DeliveryResult = "", "", nil, ""
			r.SourcePort, r.Incidents, r.OriginalMailFrom, r.OriginalRcptTo = 0, 1, "", nil
			r.OriginalEnvelopeID, r.AuthenticationResults = "", nil
		}},
		{"fail-received-date", nil, nil},
		{"no-date", []dmarc.Code{CodeDateMissing}, func(r *Report) { r.Arrival = r.Sent }},
		{"no-date-at-all", []dmarc.Code{CodeDateInvalid, CodeDateMissing}, func(r *Report) {
			r.Arrival, r.Sent = time.Time{}, time.Time{}
		}},
		{"date-odd", []dmarc.Code{CodeDateForm}, nil},
		{"fail-no-domain", []dmarc.Code{CodeDomainMissing}, nil},
		{"no-domain-no-evidence", []dmarc.Code{CodeDomainInvalid, CodeDomainMissing}, noEvidence},
		{"domain-odd", []dmarc.Code{CodeDomainNormalized}, func(r *Report) {
			r.ReportedDomains = []string{"garden.example", "other.example"}
		}},
		{"fail-source-ip", []dmarc.Code{CodeSourceRepaired}, func(r *Report) {
			r.SourceIP, r.Source = netip.MustParseAddr("2001:db8::77"), "[2001:db8::77] (mail.spoof.example)"
		}},
		{"source-ip-unknown", []dmarc.Code{CodeSourceInvalid, CodePortInvalid}, func(r *Report) {
			r.SourceIP, r.Source, r.SourcePort = netip.Addr{}, "unknown", 0
		}},
		{"fail-delivery", []dmarc.Code{CodeDeliveryUnknown}, func(r *Report) {
			r.DeliveryResult, r.RawDeliveryResult, r.Version = DeliveryOther, "smg-policy-action", "1.0"
		}},
		{"headers-only", nil, nil},
		{"no-evidence", nil, noEvidence},
		{"folded-repeated", []dmarc.Code{CodeFieldMalformed, CodeFieldRepeated}, func(r *Report) {
			r.ReportedURIs = []string{"https://one.example/", "https://two.example/"}
			r.SPFDNS = []string{`txt : spoof.example : "v=spf1 -all"`}
			r.DKIMDomain, r.DKIMIdentity, r.DKIMSelector = "garden.example", "@garden.example", "s1"
			r.UnknownFields = []string{"x-extra"}
		}},
		{"keywords-odd", []dmarc.Code{CodeIncidentsInvalid, CodeValueCase}, func(r *Report) {
			r.RawAuthFailure, r.RawDeliveryResult, r.Incidents = "DMARC", "Reject", 1
		}},
		{"auth-failure-odd", []dmarc.Code{CodeAuthFailureUnknown}, func(r *Report) {
			r.AuthFailure, r.RawAuthFailure = AuthFailureOther, "arc"
		}},
		{"auth-failure-missing", []dmarc.Code{CodeAuthFailureMissing}, func(r *Report) { r.AuthFailure = "" }},
		{"type-missing", []dmarc.Code{CodeTypeMissing}, nil},
		{"mail-contenttype-typo", nil, nil},
		{"media-type", []dmarc.Code{CodeMediaType}, nil},
		{"fail-no-empty-line", nil, nil},
		{"boundary-missing", []dmarc.Code{CodeBoundaryGuessed}, nil},
		{"no-end-boundary", []dmarc.Code{CodeNoEndBoundary}, nil},
		{"mail-mboxline", nil, nil},
		{"nested-multipart", nil, nil},
		{"latin1", []dmarc.Code{CodeInvalidText}, func(r *Report) { r.UserAgent = "G\u00e4rtner/2.0" }},
		{"two-reports", []dmarc.Code{CodePartSkipped}, nil},
		{"report-in-evidence", []dmarc.Code{CodeDomainMissing}, func(r *Report) {
			r.Evidence.HeaderFrom, r.Evidence.MessageID = "spoof.example", ""
			r.Domain, r.ReportedDomains = "spoof.example", []string{"spoof.example"}
		}},
	}
}

func TestParseQuirks(t *testing.T) {
	for _, test := range quirks() {
		t.Run(test.name, func(t *testing.T) {
			r, err := Parse(strings.NewReader(read(t, test.name)))
			if err != nil {
				t.Fatal(err)
			}
			want := full()
			if test.adjust != nil {
				test.adjust(want)
			}
			if want.ReportID == "" && strings.HasPrefix(r.ReportID, "sha256.") {
				want.ReportID = r.ReportID
			}
			if diff := cmp.Diff(want, r, parsetest.Addrs, cmpopts.IgnoreFields(Report{}, "Warnings")); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			slices.Sort(test.codes)
			if diff := cmp.Diff(test.codes, parsetest.Codes(r.Warnings), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// Every warning of the package has a fixture, apart from those of over-long input.
func TestEveryCodeHasAFixture(t *testing.T) {
	seen := []dmarc.Code{CodePartCut, CodeValueCut, CodeFieldsDropped}
	for _, test := range quirks() {
		seen = append(seen, test.codes...)
	}
	for _, code := range Codes() {
		if !slices.Contains(seen, code) {
			t.Errorf("no fixture for %s", code)
		}
	}
}

// Every warning is documented with an example.
func TestCodesAreDocumented(t *testing.T) { parsetest.Documented(t, Codes()) }

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct {
		name, in string
		reason   dmarc.Reason
	}{
		{"empty", "", dmarc.ReasonEmpty},
		{"white space", "\r\n \r\n", dmarc.ReasonEmpty},
		{"plain mail", "From: a@b.example\nSubject: hello\n\nhello\n", dmarc.ReasonNotAReport},
		{"binary", "\x00\x01\x02\xff", dmarc.ReasonNotAReport},
		{"spam complaint", read(t, "refused-spam"), dmarc.ReasonNotDMARC},
		{"fraud complaint", read(t, "refused-fraud"), dmarc.ReasonNotDMARC},
		{"feedback without a type", "Content-Type: message/feedback-report\n\nVersion: 1\n", dmarc.ReasonNotDMARC},
		{"feedback without fields", "Content-Type: message/feedback-report\n\nhello\n", dmarc.ReasonNotAReport},
		{"truncated", read(t, "refused-truncated"), dmarc.ReasonTruncated},
		{"report in the evidence alone", read(t, "refused-evidence-only"), dmarc.ReasonNotAReport},
		{"no domain", read(t, "refused-no-domain"), dmarc.ReasonNoDomain},
	} {
		parse.Refuses(t, test.name, test.in, test.reason)
	}
}

func TestLimits(t *testing.T) {
	in := read(t, "nested-multipart")
	for _, test := range []struct {
		name   string
		limits func(n int64) Limits
		least  int64
		reason dmarc.Reason
	}{
		{"bytes", func(n int64) Limits { return Limits{Bytes: n} }, int64(len(in)), dmarc.ReasonTooLarge},
		{"parts", func(n int64) Limits { return Limits{Parts: int(n)} }, 3, dmarc.ReasonTooMany},
		{"depth", func(n int64) Limits { return Limits{Depth: int(n)} }, 2, dmarc.ReasonTooDeep},
	} {
		bounded := func(n int64) parsetest.Parse[Report] { return Parser{Limits: test.limits(n)}.Parse }
		parsetest.Limit(t, test.name, in, bounded, test.least, test.reason)
	}
	long := "X: " + strings.Repeat("x", 4*maxPart) + "\n" + in
	if _, err := Parse(strings.NewReader(long)); parsetest.Reason(err) != dmarc.ReasonTooLarge {
		t.Errorf("long header: %v", err)
	}
}

func TestLongInputIsCut(t *testing.T) {
	var fields strings.Builder
	fmt.Fprintf(&fields, "User-Agent: %s\n", strings.Repeat("\u20ac", maxValue))
	for i := range maxRepeats + 5 {
		fmt.Fprintf(&fields, "Reported-URI: https://garden.example/%d\n", i)
	}
	in := strings.Replace(read(t, "bare-lf"), "User-Agent: Gardener/2.0\n", fields.String(), 1)
	in = strings.Replace(in, "Incidents: 4\n", "Incidents: 4\nX-Filler: "+strings.Repeat("x", maxPart)+"\n", 1)
	r, err := Parse(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.UserAgent); n != maxValue-1 {
		t.Errorf("kept %d bytes of User-Agent", n)
	}
	if n := len(r.ReportedURIs); n != maxRepeats {
		t.Errorf("kept %d URIs", n)
	}
	want := []dmarc.Code{CodeFieldsDropped, CodePartCut, CodeValueCut}
	if diff := cmp.Diff(want, parsetest.Codes(r.Warnings)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// A long body behind the header of the failed message is passed over.
func TestLongEvidence(t *testing.T) {
	in := strings.Replace(read(t, "bare-lf"), "nobody's business", strings.Repeat("x", 1<<20), 1)
	r, err := Parse(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), r, parsetest.Addrs); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// The report is the same however the bytes arrive.
func TestShortReads(t *testing.T) {
	for _, test := range quirks() {
		parse.ShortReads(t, test.name, read(t, test.name))
	}
}

// An error of the reader behind the report refuses it.
func TestReaderErrors(t *testing.T) {
	in := read(t, "full")
	for _, n := range []int{0, 10, 300, 600, len(in)} {
		parse.ReaderErrors(t, in[:n])
		_, err := Parse(io.MultiReader(strings.NewReader(in[:n]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v does not wrap the end", n, err)
		}
	}
}

// Nothing of the failed message but three fields of its header is kept.
func TestNoBodyIsKept(t *testing.T) {
	for _, test := range quirks() {
		r, err := Parse(strings.NewReader(read(t, test.name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"secret", "business", "dGhlIGJvZHk"} {
			if s := fmt.Sprintf("%+v", r); strings.Contains(s, secret) {
				t.Errorf("%s keeps %q", test.name, secret)
			}
		}
	}
}

func TestRedact(t *testing.T) {
	r, err := Parse(strings.NewReader(read(t, "full")))
	if err != nil {
		t.Fatal(err)
	}
	r.Warnings = []dmarc.Warning{{Code: CodeFieldMalformed, Value: "bob@garden.example"}, {Code: CodeDateForm, Value: "today"}}
	r.Redact()
	if r.OriginalMailFrom != "@spoof.example" || r.OriginalRcptTo[0] != "@mailcorp.example" || r.Domain != "garden.example" {
		t.Errorf("got %+v", r)
	}
	s := fmt.Sprintf("%+v", r)
	for _, personal := range []string{"alice", "bounce", "bob", "evil", "noreply"} {
		if strings.Contains(s, personal) {
			t.Errorf("%q is left in %s", personal, s)
		}
	}
}
