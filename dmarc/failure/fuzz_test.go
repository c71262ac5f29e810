package failure

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// FuzzParse holds that a report is either refused with a documented reason or
// complete and within its bounds, and that reading is repeatable.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
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
		if r.Domain == "" || r.ReportID == "" || r.Incidents < 0 || r.ReportedDomains[0] != r.Domain {
			t.Errorf("incomplete: %+v", r)
		}
		if r.AuthFailure != "" && !slices.Contains(AuthFailures(), r.AuthFailure) ||
			r.DeliveryResult != "" && !slices.Contains(DeliveryResults(), r.DeliveryResult) {
			t.Errorf("foreign word: %+v", r)
		}
		for _, list := range [][]string{
			r.IdentityAlignment, r.ReportedDomains, r.ReportedURIs, r.OriginalRcptTo, r.AuthenticationResults, r.SPFDNS, r.UnknownFields,
			{
				r.Reporter, r.ReporterAddress, r.ReportID, r.Version, r.UserAgent, r.RawAuthFailure, r.RawDeliveryResult,
				r.Source, r.OriginalMailFrom, r.OriginalEnvelopeID, r.ReportingMTA, r.DKIMDomain, r.DKIMIdentity,
				r.DKIMSelector, r.DKIMSelectorDNS, r.Evidence.HeaderFrom, r.Evidence.MessageID,
			},
		} {
			for _, s := range list {
				if !utf8.ValidString(s) || len(s) > 2*maxValue {
					t.Errorf("%q is too long or no UTF-8", s)
				}
			}
		}
		if len(r.Warnings) > dmarc.MaxWarnings {
			t.Errorf("%d warnings", len(r.Warnings))
		}
		for _, w := range r.Warnings {
			if !slices.Contains(Codes(), w.Code) || len(w.Value) > 64 || !utf8.ValidString(w.Value) {
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
