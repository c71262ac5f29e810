package failure

import (
	"slices"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/parsetest"
)

// FuzzParse holds that a report is either refused with a documented reason or
// complete and within its bounds, and that reading is repeatable.
func FuzzParse(f *testing.F) {
	parse.Fuzz(f, "*.eml", Codes(), func(t *testing.T, r *Report) []dmarc.Warning {
		if r.Domain == "" || r.ReportID == "" || r.Incidents < 0 || r.ReportedDomains[0] != r.Domain {
			t.Errorf("incomplete: %+v", r)
		}
		if r.AuthFailure != "" && !slices.Contains(AuthFailures(), r.AuthFailure) ||
			r.DeliveryResult != "" && !slices.Contains(DeliveryResults(), r.DeliveryResult) {
			t.Errorf("unknown word: %+v", r)
		}
		for _, list := range [][]string{
			r.IdentityAlignment, r.ReportedDomains, r.ReportedURIs, r.OriginalRcptTo, r.AuthenticationResults, r.SPFDNS, r.UnknownFields,
			{
				r.Reporter, r.ReporterAddress, r.ReportID, r.Version, r.UserAgent, r.RawAuthFailure, r.RawDeliveryResult,
				r.Source, r.OriginalMailFrom, r.OriginalEnvelopeID, r.ReportingMTA, r.DKIMDomain, r.DKIMIdentity,
				r.DKIMSelector, r.DKIMSelectorDNS, r.Evidence.HeaderFrom, r.Evidence.MessageID,
			},
		} {
			parsetest.Text(t, 2*maxValue, list...)
		}
		return r.Warnings
	})
}
