package dmarc_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// clean9990 has every element of RFC 9990 and no deviation.
func clean9990() *dmarc.Report {
	return &dmarc.Report{
		Namespace: "urn:ietf:params:xml:ns:dmarc-2.0",
		Version:   "1.0",
		Metadata: dmarc.Metadata{
			OrgName:          "Mail Corp & Söhne <GmbH>",
			Email:            "dmarc@mailcorp.example",
			ExtraContactInfo: "https://mailcorp.example/?a=1&b=2",
			ReportID:         "garden.example-2026.03.01@mailcorp.example",
			Begin:            time.Unix(1772323200, 0).UTC(),
			End:              time.Unix(1772409599, 0).UTC(),
			Errors:           []string{"one\ttab and\none line"},
			Generator:        "Gardener 2.0",
		},
		Policy: dmarc.Policy{
			Domain: "garden.example", P: dmarc.DispositionQuarantine, SP: dmarc.DispositionNone, NP: dmarc.DispositionReject,
			ADKIM: dmarc.AlignmentStrict, ASPF: dmarc.AlignmentRelaxed, Fo: "1:d:s", Testing: "n", DiscoveryMethod: "treewalk",
		},
		Records: []dmarc.Record{{
			SourceIP: netip.MustParseAddr("2001:db8::25"), Source: "2001:db8::25", Count: 12,
			Disposition: dmarc.DispositionPass, DKIM: dmarc.EvaluationPass, SPF: dmarc.EvaluationFail,
			Reasons:    []dmarc.OverrideReason{{Type: "policy_test_mode", Comment: "t=y"}, {Type: "other"}},
			HeaderFrom: "garden.example", EnvelopeFrom: "list.example", EnvelopeTo: "mailcorp.example",
			AuthDKIM: []dmarc.DKIMAuth{
				{Domain: "garden.example", Selector: "s1", Result: dmarc.AuthResultPass, HumanResult: "good ]]> signature"},
				{Domain: "list.example", Selector: "k", Result: dmarc.AuthResultNeutral},
			},
			AuthSPF: []dmarc.SPFAuth{{Domain: "list.example", Scope: "mfrom", Result: dmarc.AuthResultSoftFail}},
		}, {
			SourceIP: netip.MustParseAddr("192.0.2.1"), Source: "192.0.2.1", Count: 1,
			Disposition: dmarc.DispositionNone, DKIM: dmarc.EvaluationFail, SPF: dmarc.EvaluationFail,
			HeaderFrom: "garden.example",
			AuthSPF:    []dmarc.SPFAuth{{Domain: "spoof.example", Result: dmarc.AuthResultPolicy}},
		}},
	}
}

// clean7489 has every element that RFC 7489 requires and no deviation.
func clean7489() *dmarc.Report {
	r := clean9990()
	pct := 100
	r.Namespace = ""
	r.Metadata.Generator = ""
	r.Policy.NP, r.Policy.Testing, r.Policy.DiscoveryMethod, r.Policy.Pct = "", "", "", &pct
	r.Records[0].Disposition = dmarc.DispositionNone
	r.Records[0].Reasons[0].Type = "sampled_out"
	r.Records[1].EnvelopeFrom = "spoof.example"
	r.Records[1].AuthSPF[0] = dmarc.SPFAuth{Domain: "spoof.example", Scope: "helo", Result: dmarc.AuthResultFail}
	return r
}

func TestValidate(t *testing.T) {
	const schema, old = "RFC 9990, appendix A", "RFC 7489, appendix C"
	pct := 50
	for _, test := range []struct {
		name    string
		rfc7489 bool
		adjust  func(r *dmarc.Report)
		want    []string // section|rule|path
	}{
		{"clean", false, func(*dmarc.Report) {}, nil},
		{"clean by RFC 7489", true, func(*dmarc.Report) {}, nil},
		{"bare namespace", false, func(r *dmarc.Report) { r.Namespace = "" }, []string{"RFC 9990, section 6.1|value|feedback"}},
		{"new namespace by RFC 7489", true, func(r *dmarc.Report) { r.Namespace = "urn:ietf:params:xml:ns:dmarc-2.0" }, []string{old + "|value|feedback"}},
		{"version", false, func(r *dmarc.Report) { r.Version = "2.0" }, []string{schema + "|value|version"}},
		{"no version", false, func(r *dmarc.Report) { r.Version = "" }, nil},
		{"no version by RFC 7489", true, func(r *dmarc.Report) { r.Version = "" }, []string{old + "|missing|version"}},
		{"empty metadata", false, func(r *dmarc.Report) { r.Metadata = dmarc.Metadata{} }, []string{
			schema + "|missing|report_metadata/org_name", schema + "|missing|report_metadata/email",
			schema + "|missing|report_metadata/report_id", schema + "|missing|report_metadata/date_range",
		}},
		{"report id", false, func(r *dmarc.Report) { r.Metadata.ReportID = "1!2@mailcorp.example:x" }, []string{"RFC 9990, section 3.5.1|value|report_metadata/report_id"}},
		{"report id with two signs", false, func(r *dmarc.Report) { r.Metadata.ReportID = "1@2@3" }, []string{"RFC 9990, section 3.5.1|value|report_metadata/report_id"}},
		{"report id by RFC 7489", true, func(r *dmarc.Report) { r.Metadata.ReportID = "1 2" }, nil},
		{"period", false, func(r *dmarc.Report) { r.Metadata.End = r.Metadata.Begin.Add(-time.Second) }, []string{schema + "|value|report_metadata/date_range"}},
		{"errors", false, func(r *dmarc.Report) { r.Metadata.Errors = []string{"a", "b"} }, []string{schema + "|too_many|report_metadata/error"}},
		{"errors by RFC 7489", true, func(r *dmarc.Report) { r.Metadata.Errors = []string{"a", "b"} }, nil},
		{"generator by RFC 7489", true, func(r *dmarc.Report) { r.Metadata.Generator = "x" }, []string{old + "|foreign|report_metadata/generator"}},
		{"no policy", false, func(r *dmarc.Report) { r.Policy = dmarc.Policy{} }, []string{
			schema + "|missing|policy_published/domain", schema + "|missing|policy_published/p",
		}},
		{"no policy by RFC 7489", true, func(r *dmarc.Report) { r.Policy = dmarc.Policy{} }, []string{
			old + "|missing|policy_published/domain", old + "|missing|policy_published/p",
			old + "|missing|policy_published/sp", old + "|missing|policy_published/fo", old + "|missing|policy_published/pct",
		}},
		{"policy values", false, func(r *dmarc.Report) {
			r.Policy.P, r.Policy.ADKIM, r.Policy.ASPF, r.Policy.Fo = dmarc.DispositionPass, "x", "R", "2"
			r.Policy.Testing, r.Policy.DiscoveryMethod, r.Policy.Pct = "yes", "dns", &pct
		}, []string{
			schema + "|value|policy_published", schema + "|value|policy_published/adkim", schema + "|value|policy_published/aspf",
			schema + "|value|policy_published/fo", schema + "|value|policy_published/testing",
			schema + "|value|policy_published/discovery_method", schema + "|foreign|policy_published/pct",
		}},
		{"new elements by RFC 7489", true, func(r *dmarc.Report) {
			r.Policy.NP, r.Policy.Testing, r.Policy.DiscoveryMethod = dmarc.DispositionReject, "y", "psl"
		}, []string{
			old + "|foreign|policy_published/np", old + "|foreign|policy_published/testing", old + "|foreign|policy_published/discovery_method",
		}},
		{"no records", false, func(r *dmarc.Report) { r.Records = nil }, []string{schema + "|missing|record"}},
		{"empty record", false, func(r *dmarc.Report) { r.Records = r.Records[:1]; r.Records[0] = dmarc.Record{} }, []string{
			schema + "|missing|record[1]/row/source_ip", schema + "|missing|record[1]/row/policy_evaluated/disposition",
			schema + "|missing|record[1]/row/policy_evaluated/dkim", schema + "|missing|record[1]/row/policy_evaluated/spf",
			schema + "|missing|record[1]/identifiers/header_from",
		}},
		{"row values", false, func(r *dmarc.Report) {
			rec := &r.Records[1]
			rec.SourceIP, rec.Source, rec.Count = netip.Addr{}, "unknown", -1
			rec.Disposition, rec.RawDisposition = "", "tempfail"
			rec.DKIM, rec.RawDKIM, rec.SPF = "", "softfail", "yes"
			rec.Reasons = []dmarc.OverrideReason{{Type: ""}, {Type: "forwarded"}, {Type: "nonsense"}}
		}, []string{
			schema + "|value|record[2]/row/source_ip", schema + "|value|record[2]/row/count",
			schema + "|value|record[2]/row/policy_evaluated/disposition", schema + "|value|record[2]/row/policy_evaluated/dkim",
			schema + "|value|record[2]/row/policy_evaluated/spf", schema + "|missing|record[2]/row/policy_evaluated/reason[1]/type",
			schema + "|value|record[2]/row/policy_evaluated/reason[2]/type", schema + "|value|record[2]/row/policy_evaluated/reason[3]/type",
		}},
		{"row values by RFC 7489", true, func(r *dmarc.Report) {
			rec := &r.Records[0]
			rec.Disposition, rec.EnvelopeFrom, rec.Reasons[0].Type = dmarc.DispositionPass, "", "policy_test_mode"
			r.Records[1].Disposition = "odd"
		}, []string{
			old + "|value|record[1]/row/policy_evaluated/disposition", old + "|value|record[1]/row/policy_evaluated/reason[1]/type",
			old + "|missing|record[1]/identifiers/envelope_from", old + "|value|record[2]/row/policy_evaluated/disposition",
		}},
		{"results", false, func(r *dmarc.Report) {
			rec := &r.Records[0]
			rec.AuthDKIM = []dmarc.DKIMAuth{{}, {Domain: "a.example", Selector: "s", Result: dmarc.AuthResultOther, RawResult: "invalid"}, {Domain: "a.example", Selector: "s", Result: dmarc.AuthResultSoftFail}}
			rec.AuthSPF = []dmarc.SPFAuth{{Scope: "helo", Result: "odd"}, {Domain: "a.example", Result: dmarc.AuthResultPass}}
		}, []string{
			schema + "|missing|record[1]/auth_results/dkim[1]/domain",
			"RFC 9990, section 3.1.3|missing|record[1]/auth_results/dkim[1]/selector",
			schema + "|missing|record[1]/auth_results/dkim[1]/result",
			schema + "|value|record[1]/auth_results/dkim[2]/result",
			schema + "|value|record[1]/auth_results/dkim[3]/result",
			schema + "|too_many|record[1]/auth_results/spf",
			schema + "|missing|record[1]/auth_results/spf[1]/domain",
			schema + "|value|record[1]/auth_results/spf[1]/scope",
			schema + "|value|record[1]/auth_results/spf[1]/result",
		}},
		{"results by RFC 7489", true, func(r *dmarc.Report) {
			r.Records[0].AuthDKIM[0].Selector = ""
			r.Records[0].AuthSPF = nil
			r.Records[1].AuthSPF[0] = dmarc.SPFAuth{Domain: "a.example", Result: dmarc.AuthResultPolicy}
		}, []string{
			old + "|missing|record[1]/auth_results/spf",
			old + "|missing|record[2]/auth_results/spf[1]/scope", old + "|value|record[2]/auth_results/spf[1]/result",
		}},
		{"many signatures", false, func(r *dmarc.Report) {
			for len(r.Records[1].AuthDKIM) < 101 {
				r.Records[1].AuthDKIM = append(r.Records[1].AuthDKIM, r.Records[0].AuthDKIM[0])
			}
		}, []string{"RFC 9990, section 3.1.3|too_many|record[2]/auth_results/dkim|advisory"}},
		{"text", false, func(r *dmarc.Report) {
			r.Metadata.OrgName = "a\x00"
			r.Records[0].AuthDKIM[0].HumanResult = "\xff"
			r.Records[0].EnvelopeTo = "\ufffd is a letter, \uffff is none"
		}, []string{
			"XML 1.0, section 2.2|text|report_metadata/org_name", "XML 1.0, section 2.2|text|record[1]/identifiers/envelope_to",
			"XML 1.0, section 2.2|text|record[1]/auth_results/dkim/human_result",
		}},
		{"warnings", false, func(r *dmarc.Report) {
			r.Warnings = []dmarc.Warning{{Code: dmarc.CodeBareAmpersand, Line: 7}, {Code: dmarc.CodeDomainNormalized}, {Code: dmarc.CodeOrgMissing}}
		}, []string{schema + "|repaired|line 7", schema + "|repaired|feedback"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, check := clean9990(), dmarc.Validate
			if test.rfc7489 {
				r, check = clean7489(), validateRFC7489
			}
			test.adjust(r)
			var got []string
			for _, d := range check(r) {
				s := d.Section + "|" + string(d.Rule) + "|" + d.Path
				if d.Advisory {
					s += "|advisory"
				}
				got = append(got, s)
				if d.Message == "" || !strings.Contains(d.Error(), d.Message) {
					t.Errorf("message of %+v", d)
				}
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("deviations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidatorIsBounded(t *testing.T) {
	var v dmarc.Validator
	bad := dmarc.Record{HeaderFrom: "garden.example"}
	for range dmarc.MaxDeviations {
		v.Record(&bad) // four deviations each
	}
	r := clean9990()
	r.Namespace = "late"
	got := v.Report(r)
	if len(got) != dmarc.MaxDeviations+1 || v.Dropped != 3*dmarc.MaxDeviations {
		t.Errorf("%d deviations and %d dropped, want %d and %d", len(got), v.Dropped, dmarc.MaxDeviations+1, 3*dmarc.MaxDeviations)
	}
	if got[0].Path != "feedback" {
		t.Errorf("the head comes first, not %+v", got[0])
	}
}

// Every rule and section that Validate gives is known.
func TestValidateFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/reports/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := dmarc.Parse(bytes.NewReader(b))
		if err != nil {
			continue
		}
		for _, d := range append(dmarc.Validate(r), validateRFC7489(r)...) {
			if d.Rule == dmarc.RuleText {
				t.Errorf("%s: a decoder gives no such text: %v", file, d)
			}
		}
	}
}

func ExampleValidate() {
	report := clean9990()
	pct := 100
	report.Policy.Pct = &pct
	report.Records[0].AuthDKIM[1].Selector = ""
	for _, d := range dmarc.Validate(report) {
		fmt.Println(d.Rule, d.Path)
		fmt.Println("  ", d)
	}
	// Output:
	// foreign policy_published/pct
	//    policy_published/pct: RFC 9990 does not have the element (RFC 9990, appendix A)
	// missing record[1]/auth_results/dkim[2]/selector
	//    record[1]/auth_results/dkim[2]/selector: the element is required (RFC 9990, section 3.1.3)
}

func ExampleValidator() {
	report := clean7489()
	report.Records[0].Disposition = dmarc.DispositionPass
	v := dmarc.Validator{Standard: dmarc.RFC7489}
	for i := range report.Records { // as a Decoder gives them
		v.Record(&report.Records[i])
	}
	for _, d := range v.Report(report) {
		fmt.Println(d)
	}
	// Output:
	// record[1]/row/policy_evaluated/disposition: "pass" is a value of RFC 9990 alone (RFC 7489, appendix C)
}

// validateRFC7489 is dmarc.Validate for the older standard.
func validateRFC7489(r *dmarc.Report) []dmarc.Deviation {
	v := dmarc.Validator{Standard: dmarc.RFC7489}
	for i := range r.Records {
		v.Record(&r.Records[i])
	}
	return v.Report(r)
}
