package tlsrpt

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/parsetest"
)

// FuzzParse holds that a report is either refused with a documented reason or
// within its bounds, that its numbers are its policies' numbers, and that
// reading is repeatable.
func FuzzParse(f *testing.F) {
	parse.Fuzz(f, "*.json", Codes(), func(t *testing.T, r *Report) []dmarc.Warning {
		if r.Start.IsZero() || r.End.IsZero() || r.ReportID == "" {
			t.Errorf("incomplete: %+v", r)
		}
		check := func(list ...string) { parsetest.Text(t, maxText+64, list...) }
		for _, p := range r.Policies {
			if p.Successful < 0 || p.Failed < 0 {
				t.Errorf("negative count: %+v", p)
			}
			check(p.Strings...)
			check(p.MXHosts...)
			check(p.RawType, p.Domain)
			for _, d := range p.Details {
				if d.FailedSessions < 0 {
					t.Errorf("negative count: %+v", d)
				}
				check(d.RawResultType, d.SendingMTA, d.Receiving, d.ReceivingMXHostname,
					d.ReceivingMXHELO, d.AdditionalInformation, d.FailureReasonCode)
			}
		}
		check(r.OrganizationName, r.ContactInfo, r.ReportID)
		return r.Warnings
	})
}

// FuzzScanner compares the scanner with encoding/json: both accept a document
// or both refuse it, apart from what the scanner repairs on purpose.
func FuzzScanner(f *testing.F) {
	for _, in := range []string{
		`{"a":[1,-0.5e+3,true,false,null,"\u00e9\ud83d\ude00\ud800x\n"],"b":{}}`,
		`{"a":01}`, `{"a":1.}`, `{"a":1e}`, `{"a":.5}`, `{"a":-}`, `{"a":"\ud800\ud800\udc00"}`,
		`{"a" 1}`, `{"a":1 "b":2}`, `{"a":[1 2]}`, `{,}`, `{"a":1}}`, `{"a":tru}`, `{"a":[]]`,
	} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		repaired := strings.ContainsFunc(in, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\r\n", r) })
		if repaired || len(in) > 300 || !strings.HasPrefix(in, "{") {
			t.Skip()
		}
		d := newDecoder(Limits{}.withDefaults(), strings.NewReader(in))
		d.maxDepth = 1000
		got := d.skip() == nil && d.rest() == nil && !slices.Contains(parsetest.Codes(d.report.Warnings), CodeTrailingData)
		if slices.Contains(parsetest.Codes(d.report.Warnings), CodeControlCharacter) {
			t.Skip()
		}
		if want := json.Valid([]byte(in)); got != want {
			t.Errorf("%q: accepted is %v, by encoding/json %v", in, got, want)
		}
	})
}

// TestScannerText compares strings with encoding/json.
func TestScannerText(t *testing.T) {
	for _, in := range []string{
		`"plain"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\u20AC"`, `"\ud83d\ude00"`, `"\ud83dx"`, `"\ud83d"`,
		`"\ude00"`, `"\ud83d\u0041"`, `"\ud800\ud83d\ude00"`, `"é€😀"`, `""`,
	} {
		var want string
		if err := json.Unmarshal([]byte(in), &want); err != nil {
			t.Fatal(err)
		}
		d := newDecoder(Limits{}.withDefaults(), strings.NewReader(in))
		if got, err := d.text(); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", in, got, err, want)
		}
	}
}
