package tlsrpt

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// FuzzParse holds that a report is either refused with a documented reason or
// within its bounds, that its numbers are its policies' numbers, and that
// reading is repeatable.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := Parse(bytes.NewReader(in))
		if err != nil {
			if r != nil || !slices.Contains(dmarc.Reasons(), reason(err)) {
				t.Fatalf("Parse = %v, %v", r, err)
			}
			return
		}
		if r.Start.IsZero() || r.End.IsZero() || r.ReportID == "" {
			t.Errorf("incomplete: %+v", r)
		}
		for _, p := range r.Policies {
			if p.Successful < 0 || p.Failed < 0 {
				t.Errorf("negative count: %+v", p)
			}
			checkText(t, p.Strings...)
			checkText(t, p.MXHosts...)
			checkText(t, p.RawType, p.Domain)
			for _, d := range p.Details {
				if d.FailedSessions < 0 {
					t.Errorf("negative count: %+v", d)
				}
				checkText(t, d.RawResultType, d.SendingMTA, d.Receiving, d.ReceivingMXHostname,
					d.ReceivingMXHELO, d.AdditionalInformation, d.FailureReasonCode)
			}
		}
		checkText(t, r.OrganizationName, r.ContactInfo, r.ReportID)
		if len(r.Warnings) > dmarc.MaxWarnings {
			t.Errorf("%d warnings", len(r.Warnings))
		}
		for _, w := range r.Warnings {
			if checkText(t, w.Value); !slices.Contains(Codes(), w.Code) || len(w.Value) > 64 {
				t.Errorf("warning %+v", w)
			}
		}
		again, err := Parse(bytes.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again, compareAddr); diff != "" {
			t.Errorf("the second time (-first +second):\n%s", diff)
		}
	})
}

func checkText(t *testing.T, list ...string) {
	t.Helper()
	for _, s := range list {
		if !utf8.ValidString(s) || len(s) > maxText+64 {
			t.Errorf("%q is too long or no UTF-8", s)
		}
	}
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
		got := d.skip() == nil && d.rest() == nil && !slices.Contains(codesOf(d), CodeTrailingData)
		if slices.Contains(codesOf(d), CodeControlCharacter) {
			t.Skip()
		}
		if want := json.Valid([]byte(in)); got != want {
			t.Errorf("%q: accepted is %v, by encoding/json %v", in, got, want)
		}
	})
}

func codesOf(d *decoder) []dmarc.Code { return codes(&d.report) }

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
