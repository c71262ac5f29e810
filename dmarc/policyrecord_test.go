package dmarc_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

func mailto(address string) dmarc.ReportURI {
	_, host, _ := strings.Cut(address, "@")
	return dmarc.ReportURI{URI: "mailto:" + address, Scheme: "mailto", Address: address, Host: host}
}

func TestParseRecord(t *testing.T) {
	pct, zero := 100, 0
	limited := mailto("a@garden.example")
	limited.MaxBytes = 10 << 20
	rua := []dmarc.ReportURI{mailto("a@garden.example")}
	for _, test := range []struct {
		txt   string
		want  dmarc.PolicyRecord
		codes []dmarc.Code
	}{
		{"v=DMARC1; p=none", dmarc.PolicyRecord{P: "none"}, nil},
		{"v=DMARC1;p=reject;", dmarc.PolicyRecord{P: "reject"}, nil},
		{"v = DMARC1 ; p = Quarantine ; SP=NONE", dmarc.PolicyRecord{P: "quarantine", SP: "none"}, nil},
		{
			"v=DMARC1; p=reject; sp=quarantine; np=reject; adkim=s; aspf=r; t=y; psd=n; fo=1:d:s:1; " +
				"rua=mailto:a@garden.example, mailto:b@Other.Example.; ruf=mailto:c@garden.example",
			dmarc.PolicyRecord{
				P: "reject", SP: "quarantine", NP: "reject", ADKIM: "s", ASPF: "r", Testing: "y", PSD: "n",
				RUA: []dmarc.ReportURI{rua[0], {
					URI: "mailto:b@Other.Example.", Scheme: "mailto", Address: "b@Other.Example.", Host: "other.example",
				}},
				RUF: []dmarc.ReportURI{mailto("c@garden.example")}, FO: []string{"1", "d", "s"},
			},
			nil,
		},
		{"v=DMARC1; rua=mailto:a@garden.example", dmarc.PolicyRecord{P: "none", RUA: rua}, []dmarc.Code{dmarc.CodeRecordNoPolicy}},
		{"v=DMARC1; sp=reject; np=reject; rua=mailto:a@garden.example", dmarc.PolicyRecord{P: "none", RUA: rua}, []dmarc.Code{dmarc.CodeRecordNoPolicy}},
		{"v=DMARC1; p=reject; sp=block; rua=mailto:a@garden.example", dmarc.PolicyRecord{P: "none", RUA: rua}, []dmarc.Code{dmarc.CodeRecordValue, dmarc.CodeRecordNoPolicy}},
		{"v=DMARC1; p=block; rua=mailto:a@garden.example", dmarc.PolicyRecord{P: "none", RUA: rua}, []dmarc.Code{dmarc.CodeRecordValue, dmarc.CodeRecordNoPolicy}},
		{
			"v=DMARC1; p=none; pct=100; ri=86400; rf=AFRF:iodef", dmarc.PolicyRecord{
				P: "none", Pct: &pct, RI: 24 * time.Hour, RF: []string{"afrf", "iodef"},
			}, []dmarc.Code{dmarc.CodeRecordHistoric, dmarc.CodeRecordHistoric, dmarc.CodeRecordHistoric},
		},
		{"v=DMARC1; p=none; pct=0", dmarc.PolicyRecord{P: "none", Pct: &zero}, []dmarc.Code{dmarc.CodeRecordHistoric}},
		{"v=DMARC1; p=none; pct=101; ri=day", dmarc.PolicyRecord{P: "none"}, []dmarc.Code{
			dmarc.CodeRecordValue, dmarc.CodeRecordHistoric, dmarc.CodeRecordValue, dmarc.CodeRecordHistoric,
		}},
		{"v=DMARC1; p=none; X-Tag= a=b ; y=", dmarc.PolicyRecord{P: "none", Unknown: []dmarc.Tag{{Name: "x-tag", Value: "a=b"}, {Name: "y"}}}, []dmarc.Code{
			dmarc.CodeRecordUnknownTag, dmarc.CodeRecordUnknownTag,
		}},
		{"v=DMARC1; p=none; p=reject; v=DMARC2; junk", dmarc.PolicyRecord{P: "none"}, []dmarc.Code{
			dmarc.CodeRecordRepeated, dmarc.CodeRecordRepeated, dmarc.CodeRecordSyntax,
		}},
		{"v=DMARC1; p=none; adkim=strict; t=1; psd=x; fo=2:0", dmarc.PolicyRecord{P: "none", FO: []string{"0"}}, []dmarc.Code{
			dmarc.CodeRecordValue, dmarc.CodeRecordValue, dmarc.CodeRecordValue, dmarc.CodeRecordValue,
		}},
		{"v=DMARC1; p=none; rua=mailto:a@garden.example!10m", dmarc.PolicyRecord{P: "none", RUA: []dmarc.ReportURI{limited}}, []dmarc.Code{dmarc.CodeRecordSize}},
		{"v=DMARC1; p=none; rua=a@garden.example,mailto:nobody,mailto:a@garden.example", dmarc.PolicyRecord{P: "none", RUA: rua}, []dmarc.Code{
			dmarc.CodeRecordURI, dmarc.CodeRecordURI,
		}},
		{"v=DMARC1; p=none; rua=https://Reports.garden.example/in", dmarc.PolicyRecord{P: "none", RUA: []dmarc.ReportURI{
			{URI: "https://Reports.garden.example/in", Scheme: "https", Host: "reports.garden.example"},
		}}, []dmarc.Code{dmarc.CodeRecordScheme}},
	} {
		got, warnings, err := dmarc.ParseRecord(test.txt)
		if err != nil {
			t.Errorf("%q: %v", test.txt, err)
			continue
		}
		if diff := cmp.Diff(&test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.txt, diff)
		}
		var codes []dmarc.Code
		for _, w := range warnings {
			codes = append(codes, w.Code)
		}
		if diff := cmp.Diff(test.codes, codes, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q: warnings (-want +got):\n%s", test.txt, diff)
		}
	}
}

func TestParseRecordRefuses(t *testing.T) {
	for _, test := range []struct {
		txt  string
		want error
	}{
		{"", dmarc.ErrNotDMARC},
		{"v=spf1 -all", dmarc.ErrNotDMARC},
		{"v=dmarc1; p=none", dmarc.ErrNotDMARC},
		{"V=DMARC1; p=none", dmarc.ErrNotDMARC},
		{" v=DMARC1; p=none", dmarc.ErrNotDMARC},
		{"v=DMARC10; p=none", dmarc.ErrNotDMARC},
		{"v=DMARC1 p=none", dmarc.ErrNotDMARC},
		{"p=none; v=DMARC1", dmarc.ErrNotDMARC},
		{"v=DMARC1", dmarc.ErrNoPolicy},
		{"v=DMARC1; sp=reject", dmarc.ErrNoPolicy},
		{"v=DMARC1; p=block", dmarc.ErrNoPolicy},
		{"v=DMARC1; p=reject; np=block", dmarc.ErrNoPolicy},
		{"v=DMARC1; p=block; rua=nobody", dmarc.ErrNoPolicy},
	} {
		if r, _, err := dmarc.ParseRecord(test.txt); r != nil || !errors.Is(err, test.want) {
			t.Errorf("ParseRecord(%q) = %v, %v, want %v", test.txt, r, err, test.want)
		}
	}
}

func TestRecordWarningOffset(t *testing.T) {
	const txt = "v=DMARC1; p=none;  x=1"
	_, warnings, err := dmarc.ParseRecord(txt)
	if err != nil || len(warnings) != 1 || txt[warnings[0].Offset:] != "x=1" || warnings[0].Value != "x=1" {
		t.Errorf("%+v, %v", warnings, err)
	}
}

func TestReportURISize(t *testing.T) {
	for _, test := range []struct {
		limit string
		want  int64
	}{
		{"!500", 500},
		{"!1k", 1 << 10},
		{"!10M", 10 << 20},
		{"!2g", 2 << 30},
		{"!1t", 1 << 40},
		{"!", -1},
		{"!0", -1},
		{"!10x", -1},
		{"!10mm", -1},
		{"!9999999999t", -1},
		{"!-1", -1},
	} {
		r, _, err := dmarc.ParseRecord("v=DMARC1; p=none; rua=mailto:a@garden.example" + test.limit)
		if err != nil {
			t.Fatal(err)
		}
		got := int64(-1)
		if len(r.RUA) == 1 {
			got = r.RUA[0].MaxBytes
		}
		if got != test.want {
			t.Errorf("%s is %d, want %d", test.limit, got, test.want)
		}
	}
}

func TestRequested(t *testing.T) {
	for _, test := range []struct {
		record            string
		subdomain, exists bool
		want              dmarc.Disposition
	}{
		{"p=reject; sp=quarantine; np=none", false, true, "reject"},
		{"p=reject; sp=quarantine; np=none", true, true, "quarantine"},
		{"p=reject; sp=quarantine; np=none", true, false, "none"},
		{"p=reject; sp=quarantine", true, false, "quarantine"},
		{"p=reject", true, false, "reject"},
		{"p=reject; np=none", true, true, "reject"},
		{"p=reject; np=none", false, false, "reject"},
		{"p=reject; t=y", false, true, "quarantine"},
		{"p=quarantine; t=y", false, true, "none"},
		{"p=none; t=y", false, true, "none"},
		{"p=reject; t=n", false, true, "reject"},
		{"p=reject; sp=quarantine; t=y", true, true, "none"},
	} {
		r, _, err := dmarc.ParseRecord("v=DMARC1; " + test.record)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Requested(test.subdomain, test.exists); got != test.want {
			t.Errorf("%s: Requested(%v, %v) = %s, want %s", test.record, test.subdomain, test.exists, got, test.want)
		}
	}
}

// FuzzParseRecord holds that a record is written as text that reads as the
// same record, that warnings are known and bounded, and that lists are bounded.
func FuzzParseRecord(f *testing.F) {
	f.Add("v=DMARC1; p=none; sp=reject; np=none; t=y; psd=u; adkim=s; fo=1:d; rua=mailto:a@b.example!10m,https://c.example/x")
	f.Add("v = DMARC1 ;; p=x ; rua=,; pct=50%; rf=a:b; ri=1; =; x= = ;\xff=\xff; ruf=mailto:%40@b.example?x")
	f.Add("v=DMARC1; " + strings.Repeat("\xff0", 40)) // what replaces a byte is longer
	f.Fuzz(func(t *testing.T, txt string) {
		r, warnings, err := dmarc.ParseRecord(txt)
		for _, w := range warnings {
			if !slices.Contains(dmarc.RecordCodes(), w.Code) || len(w.Value) > 64 || !utf8.ValidString(w.Value) ||
				w.Offset < 0 || w.Offset > int64(len(txt)) {
				t.Errorf("warning %+v", w)
			}
		}
		if len(warnings) > dmarc.MaxWarnings {
			t.Errorf("%d warnings", len(warnings))
		}
		if err != nil {
			if r != nil || !errors.Is(err, dmarc.ErrNotDMARC) && !errors.Is(err, dmarc.ErrNoPolicy) {
				t.Errorf("ParseRecord = %v, %v", r, err)
			}
			return
		}
		if r.P == "" || len(r.RUA) > 100 || len(r.Unknown) > 100 {
			t.Errorf("record %+v", r)
		}
		again, _, err := dmarc.ParseRecord(r.String())
		if err != nil {
			t.Fatalf("%q: %v", r, err)
		}
		if diff := cmp.Diff(r, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q again (-first +second):\n%s", r, diff)
		}
	})
}

func ExampleParseRecord() {
	record, warnings, err := dmarc.ParseRecord("v=DMARC1; p=reject; sp=none; pct=100; rua=mailto:dmarc@garden.example!10m")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(record.P, record.SP, record.RUA[0].Address, record.RUA[0].MaxBytes)
	for _, w := range warnings {
		fmt.Println("warning:", w.Code, w.Value)
	}
	fmt.Println(record)
	// Output:
	// reject none dmarc@garden.example 10485760
	// warning: record_historic_tag pct
	// warning: record_uri_size mailto:dmarc@garden.example!10m
	// v=DMARC1; p=reject; sp=none; rua=mailto:dmarc@garden.example!10485760; pct=100
}

func ExamplePolicyRecord_Requested() {
	record, _, err := dmarc.ParseRecord("v=DMARC1; p=reject; np=quarantine; t=y")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(record.Requested(false, true), record.Requested(true, false))
	// Output: quarantine none
}

func ExampleRecordCodes() {
	fmt.Println(dmarc.RecordCodes()[0])
	// Output: record_syntax
}
