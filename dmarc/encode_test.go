package dmarc_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// equateReports compares reports as values. Nil and empty lists are the same.
var equateReports = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmpopts.IgnoreFields(dmarc.Report{}, "Warnings", "WarningsDropped"),
}

func TestEncodeRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		want := randomReport(r)
		var b bytes.Buffer
		if err := dmarc.Encode(&b, want); err != nil {
			t.Fatalf("%v\n%+v", err, want)
		}
		got, err := dmarc.Parse(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if diff := cmp.Diff(want, got, equateReports); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s\n%s", diff, b.String())
		}
		for _, d := range dmarc.Validate(got) {
			// A record may be without results: the reader notes it, the RFC allows it.
			if !d.Advisory && !strings.HasPrefix(d.Message, string(dmarc.CodeAuthResultsMissing)) {
				t.Errorf("not valid: %v", d)
			}
		}
	}
}

// The order of elements is the one of RFC 9990, appendix A, for those who need it.
func TestEncodeText(t *testing.T) {
	var b bytes.Buffer
	e := dmarc.NewEncoder(&b)
	e.Indent = "  "
	r := clean9990()
	if err := e.Header(r); err != nil {
		t.Fatal(err)
	}
	if err := e.Record(&r.Records[0]); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
  <version>1.0</version>
  <report_metadata>
    <org_name>Mail Corp &amp; Söhne &lt;GmbH&gt;</org_name>
    <email>dmarc@mailcorp.example</email>
    <extra_contact_info>https://mailcorp.example/?a=1&amp;b=2</extra_contact_info>
    <report_id>garden.example-2026.03.01@mailcorp.example</report_id>
    <date_range>
      <begin>1772323200</begin>
      <end>1772409599</end>
    </date_range>
    <error>one&#9;tab and&#10;one line</error>
    <generator>Gardener 2.0</generator>
  </report_metadata>
  <policy_published>
    <domain>garden.example</domain>
    <p>quarantine</p>
    <sp>none</sp>
    <np>reject</np>
    <adkim>s</adkim>
    <aspf>r</aspf>
    <testing>n</testing>
    <discovery_method>treewalk</discovery_method>
    <fo>1:d:s</fo>
  </policy_published>
  <record>
    <row>
      <source_ip>2001:db8::25</source_ip>
      <count>12</count>
      <policy_evaluated>
        <disposition>pass</disposition>
        <dkim>pass</dkim>
        <spf>fail</spf>
        <reason>
          <type>policy_test_mode</type>
          <comment>t=y</comment>
        </reason>
        <reason>
          <type>other</type>
        </reason>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>garden.example</header_from>
      <envelope_from>list.example</envelope_from>
      <envelope_to>mailcorp.example</envelope_to>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>garden.example</domain>
        <selector>s1</selector>
        <result>pass</result>
        <human_result>good ]]&gt; signature</human_result>
      </dkim>
      <dkim>
        <domain>list.example</domain>
        <selector>k</selector>
        <result>neutral</result>
      </dkim>
      <spf>
        <domain>list.example</domain>
        <scope>mfrom</scope>
        <result>softfail</result>
      </spf>
    </auth_results>
  </record>
</feedback>
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		adjust func(r *dmarc.Report)
		rule   dmarc.Rule
		path   string
	}{
		{"no records", func(r *dmarc.Report) { r.Records = nil }, dmarc.RuleMissing, "record"},
		{"no email", func(r *dmarc.Report) { r.Metadata.Email = "" }, dmarc.RuleMissing, "report_metadata/email"},
		{"control character", func(r *dmarc.Report) { r.Metadata.Generator = "a\x1bb" }, dmarc.RuleText, "report_metadata/generator"},
		{"no UTF-8", func(r *dmarc.Report) { r.Records[0].Reasons[0].Comment = "\xe9" }, dmarc.RuleText, "record[1]/row/policy_evaluated/reason/comment"},
		{"fraction of a second", func(r *dmarc.Report) { r.Metadata.Begin = r.Metadata.Begin.Add(1) }, dmarc.RuleValue, "report_metadata/date_range"},
		{"before 1970", func(r *dmarc.Report) { r.Metadata.Begin = time.Unix(-1, 0) }, dmarc.RuleValue, "report_metadata/date_range"},
		{"pct", func(r *dmarc.Report) { r.Policy.Pct = new(int) }, dmarc.RuleForeign, "policy_published/pct"},
		{"second record", func(r *dmarc.Report) { r.Records[1].DKIM = "" }, dmarc.RuleMissing, "record[2]/row/policy_evaluated/dkim"},
		{"two SPF results", func(r *dmarc.Report) { r.Records[1].AuthSPF = append(r.Records[1].AuthSPF, r.Records[1].AuthSPF...) }, dmarc.RuleTooMany, "record[2]/auth_results/spf"},
		{"zone", func(r *dmarc.Report) { r.Records[1].SourceIP = netip.MustParseAddr("fe80::1%eth0") }, dmarc.RuleValue, "record[2]/row/source_ip"},
		{"huge count", func(r *dmarc.Report) { r.Records[1].Count = 1 << 60 }, dmarc.RuleValue, "record[2]/row/count"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := clean9990()
			test.adjust(r)
			var b bytes.Buffer
			err := dmarc.Encode(&b, r)
			var d dmarc.Deviation
			if !errors.As(err, &d) || d.Rule != test.rule || d.Path != test.path {
				t.Errorf("Encode = %v, want a deviation %s of %s", err, test.rule, test.path)
			}
			if b.Len() > 0 {
				t.Errorf("wrote %q", b.String())
			}
		})
	}
}

// A recommendation is no demand.
func TestEncodeManySignatures(t *testing.T) {
	r := clean9990()
	for len(r.Records[0].AuthDKIM) < 150 {
		r.Records[0].AuthDKIM = append(r.Records[0].AuthDKIM, r.Records[0].AuthDKIM[0])
	}
	if err := dmarc.Encode(io.Discard, r); err != nil {
		t.Error(err)
	}
}

func TestEncoderOrder(t *testing.T) {
	r := clean9990()
	e := dmarc.NewEncoder(io.Discard)
	if e.Record(&r.Records[0]) == nil || e.Close() == nil {
		t.Error("Record and Close before Header are accepted")
	}
	if err := e.Header(r); err != nil {
		t.Fatal(err)
	}
	if e.Header(r) == nil || e.Close() == nil {
		t.Error("a second Header, or Close without a record is accepted")
	}
	if err := e.Record(&r.Records[0]); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if e.Record(&r.Records[0]) == nil || e.Close() == nil {
		t.Error("Record and Close after Close are accepted")
	}
}

type brokenWriter struct{}

var errBroken = errors.New("disk full")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestEncodeWriteError(t *testing.T) {
	if err := dmarc.Encode(brokenWriter{}, clean9990()); !errors.Is(err, errBroken) {
		t.Errorf("Encode = %v, want %v", err, errBroken)
	}
}

// FuzzEncode holds that a text is either refused or read back as it was, by
// this package and by encoding/xml.
func FuzzEncode(f *testing.F) {
	f.Add("Mail Corp", "s1")
	f.Add("<&>\"'\t\n\r ]]>", "\u20ac\u00a0\u0085")
	f.Add("\x00\x1b\x7f", "\xff\xfe\ufffe\uffff\ufffd")
	f.Fuzz(func(t *testing.T, org, selector string) {
		org, selector = strings.TrimSpace(org), strings.TrimSpace(selector)
		want := clean9990()
		want.Metadata.OrgName, want.Records[0].AuthDKIM[0].Selector = org, selector
		var b bytes.Buffer
		if err := dmarc.Encode(&b, want); err != nil {
			if b.Len() > 0 {
				t.Errorf("wrote %q", b.String())
			}
			return
		}
		got, err := dmarc.Parse(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if diff := cmp.Diff(want, got, equateReports); diff != "" && len(org) < 60_000 && len(selector) < 60_000 {
			t.Errorf("round trip (-want +got):\n%s", diff)
		}
		var plain struct {
			XMLName xml.Name `xml:"urn:ietf:params:xml:ns:dmarc-2.0 feedback"`
			Org     string   `xml:"report_metadata>org_name"`
		}
		if err := xml.Unmarshal(b.Bytes(), &plain); err != nil || plain.Org != org {
			t.Errorf("encoding/xml reads %q, %v, want %q", plain.Org, err, org)
		}
	})
}

// randomReport makes a report that RFC 9990 can express.
func randomReport(r *rand.Rand) *dmarc.Report {
	begin := time.Unix(1+r.Int64N(4e9), 0).UTC()
	report := &dmarc.Report{
		Namespace: "urn:ietf:params:xml:ns:dmarc-2.0",
		Version:   pick(r, "", "1.0"),
		Metadata: dmarc.Metadata{
			OrgName: "x" + text(r), Email: "a@" + domain(r), ExtraContactInfo: text(r),
			ReportID: pick(r, "a.b", "1700006400.77@mx.example", "{x}!y"), Begin: begin,
			End: begin.Add(time.Duration(r.IntN(100_000)) * time.Second), Generator: text(r),
		},
		Policy: dmarc.Policy{
			Domain: domain(r), P: action(r), SP: pick(r, "", action(r)), NP: pick(r, "", action(r)),
			ADKIM: pick(r, dmarc.AlignmentAbsent, dmarc.AlignmentRelaxed, dmarc.AlignmentStrict),
			ASPF:  pick(r, dmarc.AlignmentAbsent, dmarc.AlignmentRelaxed, dmarc.AlignmentStrict),
			Fo:    pick(r, "", "0", "1:d:s"), Testing: pick(r, "", "y", "n"), DiscoveryMethod: pick(r, "", "psl", "treewalk"),
		},
	}
	if t := text(r); t != "" {
		report.Metadata.Errors = []string{t}
	}
	for range 1 + r.IntN(4) {
		report.Records = append(report.Records, randomRecord(r))
	}
	return report
}

func randomRecord(r *rand.Rand) dmarc.Record {
	ip := netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), 2, 1})
	if r.IntN(3) == 0 {
		ip = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(r.Uint32())})
	}
	rec := dmarc.Record{
		SourceIP: ip, Source: ip.String(), Count: r.Int64N(1e12),
		Disposition: pick(r, action(r), dmarc.DispositionPass),
		DKIM:        pick(r, dmarc.EvaluationPass, dmarc.EvaluationFail),
		SPF:         pick(r, dmarc.EvaluationPass, dmarc.EvaluationFail),
		HeaderFrom:  domain(r), EnvelopeFrom: pick(r, "", domain(r)), EnvelopeTo: pick(r, "", domain(r)),
	}
	for range r.IntN(3) {
		rec.Reasons = append(rec.Reasons, dmarc.OverrideReason{
			Type: pick(r, "local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder"), Comment: text(r),
		})
	}
	for range r.IntN(4) {
		rec.AuthDKIM = append(rec.AuthDKIM, dmarc.DKIMAuth{
			Domain: domain(r), Selector: pick(r, "s1", "2026.mail"), HumanResult: text(r),
			Result: pick(r, dmarc.AuthResultNone, dmarc.AuthResultPass, dmarc.AuthResultFail, dmarc.AuthResultPolicy,
				dmarc.AuthResultNeutral, dmarc.AuthResultTempError, dmarc.AuthResultPermError),
		})
	}
	if r.IntN(2) == 0 {
		rec.AuthSPF = []dmarc.SPFAuth{{
			Domain: domain(r), Scope: pick(r, "", "mfrom"), HumanResult: text(r),
			Result: pick(r, dmarc.AuthResultNone, dmarc.AuthResultPass, dmarc.AuthResultFail, dmarc.AuthResultSoftFail,
				dmarc.AuthResultPolicy, dmarc.AuthResultNeutral, dmarc.AuthResultTempError, dmarc.AuthResultPermError),
		}}
	}
	return rec
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func action(r *rand.Rand) dmarc.Disposition {
	return pick(r, dmarc.DispositionNone, dmarc.DispositionQuarantine, dmarc.DispositionReject)
}

func domain(r *rand.Rand) string {
	return pick(r, "garden.example", "_x.mail.example", "b\u00fccher.example", fmt.Sprintf("h%d.example", r.IntN(50)))
}

// text makes a text without white space around it, of letters that are hard to get right.
func text(r *rand.Rand) string {
	letters := []string{"a", "b", " ", "&", "<", ">", "'", `"`, "]]>", "&amp;", "\t", "\n", "\r", "\u00e9", "\u20ac", "\U0001f600", "\ufffd", "\u0085", "\u00a0", "<!--", "\u2028", "\x7f"}
	var t strings.Builder
	for range r.IntN(12) {
		t.WriteString(pick(r, letters...))
	}
	return strings.TrimSpace(t.String())
}

func ExampleEncode() {
	report := &dmarc.Report{
		Metadata: dmarc.Metadata{
			OrgName: "Mail Corp", Email: "dmarc@mailcorp.example", ReportID: "1",
			Begin: time.Unix(1772323200, 0), End: time.Unix(1772409599, 0),
		},
		Policy: dmarc.Policy{Domain: "garden.example", P: dmarc.DispositionReject},
		Records: []dmarc.Record{{
			SourceIP: netip.MustParseAddr("192.0.2.1"), Count: 1, Disposition: dmarc.DispositionPass,
			DKIM: dmarc.EvaluationPass, SPF: dmarc.EvaluationFail, HeaderFrom: "garden.example",
			AuthDKIM: []dmarc.DKIMAuth{{Domain: "garden.example", Selector: "s1", Result: dmarc.AuthResultPass}},
		}},
	}
	var b bytes.Buffer
	if err := dmarc.Encode(&b, report); err != nil {
		fmt.Println(err)
		return
	}
	again, err := dmarc.Parse(&b)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(again.Namespace, again.Records[0].Aligned())

	report.Records[0].DKIM = dmarc.EvaluationAbsent
	fmt.Println(dmarc.Encode(&b, report))
	// Output:
	// urn:ietf:params:xml:ns:dmarc-2.0 true
	// encode report: record[1]/row/policy_evaluated/dkim: the element is required (RFC 9990, appendix A)
}

func ExampleEncoder() {
	report := clean9990()
	e := dmarc.NewEncoder(io.Discard) // as long a report as you like
	e.Indent = "\t"
	if err := e.Header(report); err != nil {
		fmt.Println(err)
	}
	for i := range report.Records {
		if err := e.Record(&report.Records[i]); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(e.Close())
	// Output: <nil>
}

func BenchmarkEncoder(b *testing.B) {
	report := clean9990()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	e := dmarc.NewEncoder(null)
	if err := e.Header(report); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Record(&report.Records[0]); err != nil {
			b.Fatal(err)
		}
	}
}
