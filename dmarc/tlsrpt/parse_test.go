package tlsrpt

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/parsetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

var parse parsetest.Parse[Report] = Parse

func read(t testing.TB, name string) string { return parsetest.Read(t, name+".json") }

func TestParseEveryField(t *testing.T) {
	got, err := Parse(strings.NewReader(read(t, "full")))
	if err != nil {
		t.Fatal(err)
	}
	want := &Report{
		OrganizationName: "Mail Corp",
		ContactInfo:      "tls@mailcorp.example",
		ReportID:         "2026-03-01/garden.example",
		Start:            time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		End:              time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC),
		Policies: []Policy{{
			Type:       PolicyTypeSTS,
			Domain:     "garden.example",
			Strings:    []string{"version: STSv1", "mode: enforce", "mx: *.garden.example", "max_age: 604800"},
			MXHosts:    []string{"*.garden.example"},
			Successful: 40,
			Failed:     5,
			Details: []Detail{{
				ResultType:          ResultTypeCertificateExpired,
				SendingMTAIP:        netip.MustParseAddr("2001:db8::a"),
				SendingMTA:          "2001:db8::a",
				ReceivingIP:         netip.MustParseAddr("192.0.2.25"),
				Receiving:           "192.0.2.25",
				ReceivingMXHostname: "mx1.garden.example",
				FailedSessions:      3,
			}, {
				ResultType:            ResultTypeSTARTTLSNotSupported,
				SendingMTAIP:          netip.MustParseAddr("198.51.100.4"),
				SendingMTA:            "198.51.100.4",
				ReceivingMXHostname:   "mx2.garden.example",
				ReceivingMXHELO:       "mx2",
				FailedSessions:        2,
				AdditionalInformation: "https://mailcorp.example/i",
				FailureReasonCode:     "E42",
			}},
		}},
	}
	if diff := cmp.Diff(want, got, parsetest.Addrs); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if got.Sessions() != 45 || got.Successful() != 40 || got.Failed() != 5 {
		t.Errorf("%d sessions, %d successful, %d failed, want 45, 40, 5", got.Sessions(), got.Successful(), got.Failed())
	}
	if d := got.Domains(); !slices.Equal(d, []string{"garden.example"}) {
		t.Errorf("domains %q", d)
	}
}

// quirk is a file of testdata and what it must give. Policies, successful and
// failed are 1, 40 and 5 unless adjusted.
type quirk struct {
	name     string
	policies int
	good     int64
	bad      int64
	codes    []dmarc.Code
	check    func(t *testing.T, r *Report)
}

func quirks() []quirk {
	is := func(what string, get func(*Report) string, want string) func(*testing.T, *Report) {
		return func(t *testing.T, r *Report) {
			if got := get(r); got != want {
				t.Errorf("%s is %q, want %q", what, got, want)
			}
		}
	}
	return []quirk{
		{"tls-contact-null", 1, 40, 5, nil, is("contact", func(r *Report) string { return r.ContactInfo }, "")},
		{"contact-absent", 1, 40, 5, nil, nil},
		{"no-addresses", 1, 40, 5, nil, nil},
		{"tls-no-policy-domain", 2, 47, 5, nil, is("type", func(r *Report) string { return string(r.Policies[1].Type) }, "no-policy-found")},
		{"tls-string-arrays", 1, 40, 5, nil, is("host", func(r *Report) string { return r.Policies[0].MXHosts[0] }, "*.garden.example")},
		{"null-arrays", 1, 40, 5, nil, nil},
		{"tls-date-odd", 1, 40, 5, []dmarc.Code{CodeDateForm}, nil},
		{"tls-date-object", 1, 40, 5, []dmarc.Code{CodeDateForm, CodeWrongType}, is("period",
			func(r *Report) string { return r.Start.Format(time.RFC3339) + " " + r.End.Format(time.RFC3339) },
			"2026-03-01T00:00:00Z 2026-03-01T23:59:59Z")},
		{"date-fraction", 1, 40, 5, []dmarc.Code{CodeDateForm}, nil},
		{"tls-count-odd", 1, 40, 5, []dmarc.Code{CodeCountRepaired}, nil},
		{"count-unusable", 1, 0, 0, []dmarc.Code{CodeCountInvalid, CodeCountRange}, nil},
		{"tls-sum-mismatch", 1, 40, 5, []dmarc.Code{CodeResultUnknown, CodeSumMismatch}, is("raw result",
			func(r *Report) string { return r.Policies[0].Details[1].RawResultType }, "Brand-New")},
		{"detail-no-count", 1, 40, 5, []dmarc.Code{CodeCountMissing, CodeSumMismatch, CodeValueCase}, is("result",
			func(r *Report) string { return string(r.Policies[0].Details[1].ResultType) }, "dane-required")},
		{"policies-empty", 0, 0, 0, nil, nil},
		{"policies-null", 0, 0, 0, nil, nil},
		{"policies-absent", 0, 0, 0, []dmarc.Code{CodePoliciesMissing}, nil},
		{"tls-no-details", 1, 40, 5, nil, nil},
		{"tls-bom", 1, 40, 5, []dmarc.Code{CodeBOM}, nil},
		{"leading-crlf", 1, 40, 5, []dmarc.Code{CodeLeadingSpace}, nil},
		{"tls-trailing", 1, 40, 5, []dmarc.Code{CodeTrailingData}, nil},
		{"trailing-footer", 1, 40, 5, []dmarc.Code{CodeTrailingData}, nil},
		{"tlsa-nested-json", 1, 40, 5, nil, is("policy string",
			func(r *Report) string { return r.Policies[0].Strings[0] }, `["3 1 1 00FF","2 1 1 FF00"]`)},
		{"unknown-keys", 1, 40, 5, nil, is("unknown keys", func(r *Report) string { return strings.Join(r.UnknownKeys, " ") },
			"failure-details.additional-info-uri policies.x-extra x-vendor")},
		{"key-order", 1, 40, 5, nil, is("domain", func(r *Report) string { return r.Policies[0].Domain }, "garden.example")},
		{"duplicate-keys", 1, 40, 5, []dmarc.Code{CodeDuplicateKey}, is("organisation",
			func(r *Report) string { return r.OrganizationName }, "Mail Corp")},
		{"tls-charset", 1, 40, 5, []dmarc.Code{CodeInvalidText}, is("organisation",
			func(r *Report) string { return r.OrganizationName }, "Caf\u00e9 Mail")},
		{"utf16", 1, 40, 5, []dmarc.Code{CodeCharset}, nil},
		{"tls-control", 1, 40, 5, []dmarc.Code{CodeControlCharacter}, is("organisation",
			func(r *Report) string { return r.OrganizationName }, "Mail Corp")},
		{"wrong-types", 1, 40, 5, []dmarc.Code{CodeWrongType}, is("organisation and id",
			func(r *Report) string { return r.OrganizationName + " " + r.ReportID }, "42 true")},
		{"no-org-no-id", 1, 40, 5, []dmarc.Code{CodeOrgMissing, CodeReportIDMissing}, func(t *testing.T, r *Report) {
			if r.OrganizationName != "mailcorp.example" || !strings.HasPrefix(r.ReportID, "sha256.") || len(r.ReportID) != 39 {
				t.Errorf("organisation %q, id %q", r.OrganizationName, r.ReportID)
			}
		}},
		{"value-case", 1, 40, 5, []dmarc.Code{CodeDomainNormalized, CodeValueCase}, is("type, raw type and domain", func(r *Report) string {
			return string(r.Policies[0].Type) + " " + r.Policies[0].RawType + " " + r.Policies[0].Domain
		}, "sts STS garden.example")},
		{"policies-odd", 3, 41, 5, []dmarc.Code{
			CodeCountMissing, CodeDomainInvalid, CodeDomainMissing, CodeEntrySkipped, CodePolicyMissing, CodePolicyUnknown,
		}, is("raw type", func(r *Report) string { return r.Policies[1].RawType }, "future")},
		{"details-odd", 1, 40, 5, []dmarc.Code{CodeAddressInvalid, CodeAddressRepaired, CodeEntrySkipped, CodeResultMissing}, is(
			"addresses", func(r *Report) string {
				d := r.Policies[0].Details[0]
				return d.SendingMTAIP.String() + " " + d.SendingMTA + " " + d.ReceivingIP.String() + " " + d.Receiving
			}, "192.0.2.1 [192.0.2.1] invalid IP unknown")},
		{"period-long", 1, 40, 5, []dmarc.Code{CodePeriodLong}, nil},
		{"period-reversed", 1, 40, 5, []dmarc.Code{CodePeriodReversed}, nil},
		{"period-empty", 1, 40, 5, []dmarc.Code{CodePeriodEmpty}, nil},
	}
}

func TestParseQuirks(t *testing.T) {
	for _, test := range quirks() {
		t.Run(test.name, func(t *testing.T) {
			r, err := Parse(strings.NewReader(read(t, test.name)))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Policies) != test.policies || r.Successful() != test.good || r.Failed() != test.bad {
				t.Errorf("%d policies, %d successful, %d failed, want %d, %d, %d",
					len(r.Policies), r.Successful(), r.Failed(), test.policies, test.good, test.bad)
			}
			if diff := cmp.Diff(test.codes, parsetest.Codes(r.Warnings), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if strings.HasPrefix(test.name, "date-") && (r.Start.Unix() != 1772323200 || r.End.Unix() != 1772409599) {
				t.Errorf("from %v to %v", r.Start, r.End)
			}
			if test.check != nil {
				test.check(t, r)
			}
		})
	}
}

// Every warning of the package has a fixture, apart from the two of over-long values.
func TestEveryCodeHasAFixture(t *testing.T) {
	seen := []dmarc.Code{CodeValueCut, CodeListCut}
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
	full := read(t, "full")
	for _, test := range []struct {
		name, in string
		reason   dmarc.Reason
	}{
		{"empty", "", dmarc.ReasonEmpty},
		{"white space", " \r\n\t", dmarc.ReasonEmpty},
		{"mark alone", "\xef\xbb\xbf", dmarc.ReasonEmpty},
		{"utf-16 mark alone", "\xfe\xff", dmarc.ReasonEmpty},
		{"array", "[]", dmarc.ReasonNotAReport},
		{"text", "unused", dmarc.ReasonNotAReport},
		{"empty object", "{}", dmarc.ReasonNotAReport},
		{"foreign", read(t, "refused-foreign"), dmarc.ReasonNotAReport},
		{"dates", read(t, "refused-dates"), dmarc.ReasonNoDates},
		{"no dates", `{"report-id":"1","policies":[]}`, dmarc.ReasonNoDates},
		{"date range null", `{"date-range":null}`, dmarc.ReasonNoDates},
		{"dates of the year 20000", strings.ReplaceAll(full, `"2026-`, `"20000-`), dmarc.ReasonNoDates},
		{"truncated", read(t, "refused-truncated"), dmarc.ReasonTruncated},
		{"last brace missing", strings.TrimRight(full, "}\n"), dmarc.ReasonTruncated},
		{"policies-unknown", strings.Replace(full, `"policies"`, `"Policies"`, 1), dmarc.ReasonSyntax},
		{"policies of unknown keys", `{"date-range": {"start-datetime": "2026-03-01", "end-datetime": "2026-03-02"},
			"policies": [{"Policy": {}, "Summary": {}}]}`, dmarc.ReasonSyntax},
		{"syntax", read(t, "refused-syntax"), dmarc.ReasonSyntax},
		{"unquoted key", `{report-id:1}`, dmarc.ReasonSyntax},
		{"trailing comma", `{"report-id":"1",}`, dmarc.ReasonSyntax},
		{"escape", `{"report-id":"\x"}`, dmarc.ReasonSyntax},
		{"hexadecimal escape", `{"report-id":"\u12x4"}`, dmarc.ReasonSyntax},
		{"literal", `{"report-id":nil}`, dmarc.ReasonSyntax},
		{"no value", `{"report-id":}`, dmarc.ReasonSyntax},
		{"long number", `{"report-id":` + strings.Repeat("1", 500) + `}`, dmarc.ReasonSyntax},
		{"deep", `{"x":` + strings.Repeat("[", 100), dmarc.ReasonTooDeep},
	} {
		parse.Refuses(t, test.name, test.in, test.reason)
	}
}

func TestErrorPosition(t *testing.T) {
	_, err := Parse(strings.NewReader("{\n\"report-id\": \"1\",\n  oops\n}"))
	const want = `syntax: line 3, byte 22: unexpected 'o'`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestLimits(t *testing.T) {
	full, two := read(t, "full"), read(t, "tls-no-policy-domain")
	for _, test := range []struct {
		name, in string
		limits   func(n int64) Limits
		least    int64
		reason   dmarc.Reason
	}{
		{"bytes", full, func(n int64) Limits { return Limits{Bytes: n} }, int64(len(full)), dmarc.ReasonTooLarge},
		{"depth", full, func(n int64) Limits { return Limits{Depth: int(n)} }, 5, dmarc.ReasonTooDeep},
		{"details", full, func(n int64) Limits { return Limits{Details: int(n)} }, 2, dmarc.ReasonTooMany},
		{"policies", two, func(n int64) Limits { return Limits{Policies: int(n)} }, 2, dmarc.ReasonTooMany},
	} {
		bounded := func(n int64) parsetest.Parse[Report] { return Parser{Limits: test.limits(n)}.Parse }
		parsetest.Limit(t, test.name, test.in, bounded, test.least, test.reason)
	}
}

func TestLongValuesAreCut(t *testing.T) {
	long := strings.Repeat("\u20ac", maxText) // three bytes each: the cut falls inside one
	in := strings.Replace(read(t, "full"), `"E42"`, `"`+long+`"`, 1)
	in = strings.Replace(in, `"version: STSv1"`, strings.Repeat(`"x",`, maxStrings+4)+`"x"`, 1)
	r, err := Parse(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Policies[0].Details[1].FailureReasonCode; got != long[:maxText-maxText%3] {
		t.Errorf("kept %d bytes that end in %q", len(got), got[len(got)-8:])
	}
	if n := len(r.Policies[0].Strings); n != maxStrings {
		t.Errorf("%d policy strings, want %d", n, maxStrings)
	}
	if diff := cmp.Diff([]dmarc.Code{CodeListCut, CodeValueCut}, parsetest.Codes(r.Warnings)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestCounts(t *testing.T) {
	for _, test := range []struct {
		in   string
		want int64
		code dmarc.Code
	}{
		{"0", 0, ""},
		{"1000000000000", text.MaxCount, ""},
		{"1000000000001", 0, CodeCountRange},
		{"99999999999999999999999", 0, CodeCountRange},
		{"1e400", 0, CodeCountRange},
		{"5.0", 5, CodeCountRepaired},
		{"+5", 5, CodeCountRepaired},
		{"5.5", 0, CodeCountInvalid},
		{"0x10", 0, CodeCountInvalid},
		{"NaN", 0, CodeCountInvalid},
		{"", 0, CodeCountMissing},
		{"null", 0, CodeCountMissing},
		{"true", 0, CodeCountInvalid},
	} {
		if n, code := parseCount(test.in); n != test.want || code != test.code {
			t.Errorf("parseCount(%q) = %d, %q, want %d, %q", test.in, n, code, test.want, test.code)
		}
	}
}

// The report is the same however the bytes arrive.
func TestShortReads(t *testing.T) {
	for _, test := range quirks() {
		parse.ShortReads(t, test.name, read(t, test.name))
	}
}

// A report that is cut anywhere is refused: it never counts as a smaller one.
func TestTruncatedAnywhere(t *testing.T) {
	full := strings.TrimSpace(read(t, "full"))
	for n := range len(full) {
		if r, err := Parse(strings.NewReader(full[:n])); r != nil || err == nil {
			t.Fatalf("the first %d bytes are accepted", n)
		}
	}
}

// An error of the reader behind the report, such as a wrong checksum, refuses it.
func TestReaderErrors(t *testing.T) {
	full := read(t, "full")
	for _, in := range []string{full, full[:100], ""} {
		parse.ReaderErrors(t, in)
	}
}

func TestUTF16(t *testing.T) {
	le := read(t, "utf16")
	be := []byte(le)
	for i := 0; i+1 < len(be); i += 2 {
		be[i], be[i+1] = be[i+1], be[i]
	}
	want, err := Parse(strings.NewReader(le))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(bytes.NewReader(be))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, parsetest.Addrs); diff != "" {
		t.Errorf("big endian (-little +big):\n%s", diff)
	}
	if _, err := Parse(strings.NewReader(le[:len(le)-3])); parsetest.Reason(err) != dmarc.ReasonTruncated {
		t.Errorf("cut in a character: %v", err)
	}
}
