package compose

import (
	"net/netip"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// FuzzRecord holds that whatever is in a file of rows gives a record or an error,
// and that a record that it gives is written as it was.
func FuzzRecord(f *testing.F) {
	f.Add("")
	f.Add("\x04\xc0\x00\x02\x01\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x0f")
	f.Add(string(appendRecord(nil, &dmarc.Record{
		SourceIP: netip.MustParseAddr("2001:db8::1"), DKIM: dmarc.EvaluationPass, HeaderFrom: "garden.example",
		Reasons:  []dmarc.OverrideReason{{Type: "other", Comment: "x"}},
		AuthDKIM: []dmarc.DKIMAuth{{Domain: "a", Selector: "b", Result: dmarc.AuthResultPass}},
		AuthSPF:  []dmarc.SPFAuth{{Domain: "c", Scope: "mfrom", Result: dmarc.AuthResultFail}},
	})))
	f.Fuzz(func(t *testing.T, key string) {
		var rec dmarc.Record
		if readRecord(key, &rec) != nil {
			return
		}
		var again dmarc.Record
		if err := readRecord(string(appendRecord(nil, &rec)), &again); err != nil {
			t.Fatal(err)
		}
		if got, want := string(appendRecord(nil, &again)), string(appendRecord(nil, &rec)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
