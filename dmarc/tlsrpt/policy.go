package tlsrpt

import (
	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// policy reads one entry of policies.
func (d *decoder) policy() error {
	var p Policy
	var hasPolicy, hasSummary bool
	unknown := len(d.report.UnknownKeys)
	err := d.fields("policies", func(key string) (_ bool, err error) {
		switch key {
		case "policy":
			hasPolicy = true
			err = d.policyObject(&p)
		case "summary":
			hasSummary = true
			err = d.summary(&p)
		case "failure-details":
			// QUIRK(tls-no-details): null and absent mean no details.
			err = d.entries("failure-details", func() error { return d.detail(&p) })
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return err
	}
	if !hasPolicy && !hasSummary && len(p.Details) == 0 {
		d.skipped = d.skipped || len(d.report.UnknownKeys) > unknown
		d.warning(CodeEntrySkipped, "policies")
		return nil
	}
	if len(d.report.Policies) == d.limits.Policies {
		return d.fail(dmarc.ReasonTooMany, "more than %d policies", d.limits.Policies)
	}
	if !hasSummary {
		d.warning(CodeCountMissing, "summary")
	}
	d.checkPolicy(&p)
	d.report.Policies = append(d.report.Policies, p)
	return nil
}

func (d *decoder) policyObject(p *Policy) error {
	return d.fields("policy", func(key string) (_ bool, err error) {
		switch key {
		case "policy-type":
			p.Type, p.RawType, err = keyword(d, PolicyTypes(), PolicyTypeOther, CodePolicyUnknown)
		case "policy-string":
			p.Strings, err = d.strings()
		case "policy-domain":
			p.Domain, err = d.domain()
		case "mx-host":
			p.MXHosts, err = d.strings()
		default:
			return false, nil
		}
		return true, err
	})
}

func (d *decoder) summary(p *Policy) error {
	var successful, failed bool
	err := d.fields("summary", func(key string) (_ bool, err error) {
		switch key {
		case "total-successful-session-count":
			successful = true
			p.Successful, err = d.count()
		case "total-failure-session-count":
			failed = true
			p.Failed, err = d.count()
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return err
	}
	if !successful {
		d.warning(CodeCountMissing, "total-successful-session-count")
	}
	if !failed {
		d.warning(CodeCountMissing, "total-failure-session-count")
	}
	return nil
}

// checkPolicy notes what a whole policy lacks.
func (d *decoder) checkPolicy(p *Policy) {
	if p.Type == PolicyTypeAbsent {
		d.warning(CodePolicyMissing, "")
	}
	// QUIRK(tls-no-policy-domain): without a policy there is often no policy-domain either.
	if p.Domain == "" && p.Type != PolicyTypeNotFound {
		d.warning(CodeDomainMissing, "")
	}
	var sum int64
	for i := range p.Details {
		sum = text.AddCounts(sum, p.Details[i].FailedSessions)
	}
	if len(p.Details) > 0 && sum != p.Failed {
		// QUIRK(tls-sum-mismatch): mail.ru; the summary is the authority.
		d.warning(CodeSumMismatch, "")
	}
}

// detail reads one entry of failure-details.
func (d *decoder) detail(p *Policy) error {
	var x Detail
	var keys int
	var counted bool
	err := d.fields("failure-details", func(key string) (_ bool, err error) {
		keys++
		switch key {
		case "result-type":
			x.ResultType, x.RawResultType, err = keyword(d, ResultTypes(), ResultTypeOther, CodeResultUnknown)
		case "sending-mta-ip":
			x.SendingMTAIP, x.SendingMTA, err = d.address()
		case "receiving-mx-hostname":
			x.ReceivingMXHostname, err = d.string()
		case "receiving-mx-helo":
			x.ReceivingMXHELO, err = d.string()
		case "receiving-ip":
			x.ReceivingIP, x.Receiving, err = d.address()
		case "failed-session-count":
			counted = true
			x.FailedSessions, err = d.count()
		case "additional-information":
			x.AdditionalInformation, err = d.string()
		case "failure-reason-code":
			x.FailureReasonCode, err = d.string()
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return err
	}
	if keys == 0 {
		d.warning(CodeEntrySkipped, "failure-details")
		return nil
	}
	if d.details++; d.details > d.limits.Details {
		return d.fail(dmarc.ReasonTooMany, "more than %d failure details", d.limits.Details)
	}
	if !counted {
		d.warning(CodeCountMissing, "failed-session-count")
	}
	if x.ResultType == ResultTypeAbsent {
		d.warning(CodeResultMissing, "")
	}
	p.Details = append(p.Details, x)
	return nil
}
