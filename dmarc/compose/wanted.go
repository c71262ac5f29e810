package compose

import (
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
)

// Wanted returns the failure report that the policy of a message asks for with ruf
// and fo, nil if it asks for none (RFC 9989, section 4.7). Who sent the message
// is not known here: SourceIP and, for AuthFailureSPF, SPFDNS are to be set, and
// Arrival and whatever else is known should be. The ruf of a record with psd=y is
// not for reports (RFC 9991). Whether an address of another domain takes them,
// dmarc.CheckDestinations tells. The verdict is that of the message.
func Wanted(m *dmarc.Message, v *dmarc.Verdict) *failure.Report {
	record := v.Discovery.Record
	if record == nil || len(record.RUF) == 0 || record.PSD == "y" {
		return nil
	}
	r := &failure.Report{Domain: v.Discovery.Domain, Incidents: 1, Evidence: failure.Evidence{HeaderFrom: v.Discovery.Domain}}
	if v.DKIM != dmarc.EvaluationPass {
		r.IdentityAlignment = append(r.IdentityAlignment, "dkim")
	}
	if v.SPF != dmarc.EvaluationPass {
		r.IdentityAlignment = append(r.IdentityAlignment, "spf")
	}
	options := record.FO
	if len(options) == 0 {
		options = []string{"0"}
	}
	signature := failedSignature(m, v)
	if signature >= 0 {
		a := &m.DKIM[signature]
		r.DKIMDomain, r.DKIMIdentity, r.DKIMSelector = a.Domain, "@"+a.Domain, a.Selector
	}
	spf := slices.ContainsFunc(m.SPF, func(a dmarc.SPFAuth) bool { return failed(a.Result) })
	switch {
	case slices.Contains(options, "0") && v.Result == dmarc.AuthResultFail,
		slices.Contains(options, "1") && len(r.IdentityAlignment) > 0 && v.Result != dmarc.AuthResultTempError:
		r.AuthFailure = failure.AuthFailureDMARC
	case slices.Contains(options, "d") && signature >= 0:
		r.AuthFailure = failure.AuthFailureSignature
	case slices.Contains(options, "s") && spf:
		r.AuthFailure = failure.AuthFailureSPF
	default:
		return nil
	}
	return r
}

// failedSignature returns which signature failed, -1 for none: the first that is
// aligned, or else the first.
func failedSignature(m *dmarc.Message, v *dmarc.Verdict) int {
	first := -1
	for i := range m.DKIM {
		if !failed(m.DKIM[i].Result) {
			continue
		}
		// The identifiers of DKIM come first, in the order of the signatures.
		if v.Identifiers[i].Aligned {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	return first
}

// failed reports whether a method found a message not to be authentic.
func failed(r dmarc.AuthResult) bool {
	switch r {
	case dmarc.AuthResultFail, dmarc.AuthResultSoftFail, dmarc.AuthResultPolicy, dmarc.AuthResultPermError:
		return true
	}
	return false
}
