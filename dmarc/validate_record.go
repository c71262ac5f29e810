package dmarc

import (
	"fmt"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

func (c *checker) recordCount(n int) {
	if n == 0 {
		c.add(RuleMissing, "record", c.schema, "a report has at least one record")
	}
}

// record checks the n-th record, counted from 1.
func (c *checker) record(rec *Record, n int) {
	c.n = n
	defer func() { c.n = 0 }()
	switch {
	case rec.Source == "" && !rec.SourceIP.IsValid():
		c.add(RuleMissing, "row/source_ip", c.schema, "the element is required")
	case !rec.SourceIP.IsValid() || rec.SourceIP.Zone() != "":
		c.add(RuleValue, "row/source_ip", c.schema, "%q is no address", text.Cut(rec.Source, 64))
	}
	if rec.Count < 0 || rec.Count > text.MaxCount {
		c.add(RuleValue, "row/count", c.schema, "%d is no count", rec.Count)
	}
	c.disposition(rec)
	c.evaluation("row/policy_evaluated/dkim", rec.DKIM, rec.RawDKIM)
	c.evaluation("row/policy_evaluated/spf", rec.SPF, rec.RawSPF)
	for i := range rec.Reasons {
		c.reason(rec.Reasons[i].Type, i+1)
		c.text("row/policy_evaluated/reason/comment", rec.Reasons[i].Comment)
	}
	c.require("identifiers/header_from", rec.HeaderFrom)
	c.text("identifiers/header_from", rec.HeaderFrom)
	c.text("identifiers/envelope_from", rec.EnvelopeFrom)
	c.text("identifiers/envelope_to", rec.EnvelopeTo)
	if c.old() {
		c.require("identifiers/envelope_from", rec.EnvelopeFrom)
	}
	c.authDKIM(rec.AuthDKIM)
	c.authSPF(rec.AuthSPF)
}

func (c *checker) disposition(rec *Record) {
	const path = "row/policy_evaluated/disposition"
	switch rec.Disposition {
	case DispositionNone, DispositionQuarantine, DispositionReject:
	case DispositionPass:
		if c.old() {
			c.add(RuleValue, path, c.schema, `"pass" is a value of RFC 9990 alone`)
		}
	case DispositionAbsent:
		if rec.RawDisposition == "" {
			c.add(RuleMissing, path, c.schema, "the element is required")
			return
		}
		c.add(RuleValue, path, c.schema, "%q is no disposition", text.Cut(rec.RawDisposition, 32))
	default:
		c.add(RuleValue, path, c.schema, "%q is no disposition", text.Cut(string(rec.Disposition), 32))
	}
}

func (c *checker) evaluation(path string, v Evaluation, raw string) {
	switch {
	case v == EvaluationPass, v == EvaluationFail:
	case v == EvaluationAbsent && raw == "":
		c.add(RuleMissing, path, c.schema, "the element is required")
	case v == EvaluationAbsent:
		c.add(RuleValue, path, c.schema, "%q is neither pass nor fail", text.Cut(raw, 32))
	default:
		c.add(RuleValue, path, c.schema, "%q is neither pass nor fail", text.Cut(string(v), 32))
	}
}

func (c *checker) reason(kind string, n int) {
	switch kind {
	case "":
		c.add(RuleMissing, fmt.Sprintf("row/policy_evaluated/reason[%d]/type", n), c.schema, "the element is required")
		return
	case "local_policy", "mailing_list", "other", "trusted_forwarder":
		return
	case "policy_test_mode":
		if !c.old() {
			return
		}
	case "forwarded", "sampled_out":
		if c.old() {
			return
		}
	}
	c.add(RuleValue, fmt.Sprintf("row/policy_evaluated/reason[%d]/type", n), c.schema,
		"%q is no reason of %s", text.Cut(kind, 32), c.standard)
}

func (c *checker) authDKIM(list []DKIMAuth) {
	const signatures = "RFC 9990, section 3.1.3"
	for i := range list {
		a := &list[i]
		if a.Domain == "" {
			c.add(RuleMissing, entryPath("dkim", i, "domain"), c.schema, "the element is required")
		}
		if a.Selector == "" && !c.old() {
			c.add(RuleMissing, entryPath("dkim", i, "selector"), signatures, "the element is required")
		}
		c.text("auth_results/dkim/domain", a.Domain)
		c.text("auth_results/dkim/selector", a.Selector)
		c.text("auth_results/dkim/human_result", a.HumanResult)
		c.result("dkim", i, a.Result, a.RawResult, AuthResultSoftFail)
	}
	if len(list) > 100 && !c.old() {
		c.deviate(Deviation{
			Section: signatures, Rule: RuleTooMany, Path: "auth_results/dkim", Advisory: true,
			Message: fmt.Sprintf("%d signatures are more than 100", len(list)),
		})
	}
}

func (c *checker) authSPF(list []SPFAuth) {
	switch {
	case c.old() && len(list) == 0:
		c.add(RuleMissing, "auth_results/spf", c.schema, "the element is required")
	case !c.old() && len(list) > 1:
		c.add(RuleTooMany, "auth_results/spf", c.schema, "there is more than one")
	}
	for i := range list {
		a := &list[i]
		if a.Domain == "" {
			c.add(RuleMissing, entryPath("spf", i, "domain"), c.schema, "the element is required")
		}
		switch {
		case a.Scope == "mfrom", c.old() && a.Scope == "helo", !c.old() && a.Scope == "":
		case a.Scope == "":
			c.add(RuleMissing, entryPath("spf", i, "scope"), c.schema, "the element is required")
		default:
			c.add(RuleValue, entryPath("spf", i, "scope"), c.schema, "%q is no scope of %s", text.Cut(a.Scope, 32), c.standard)
		}
		missing := AuthResultAbsent
		if c.old() {
			missing = AuthResultPolicy
		}
		c.text("auth_results/spf/domain", a.Domain)
		c.text("auth_results/spf/human_result", a.HumanResult)
		c.result("spf", i, a.Result, a.RawResult, missing)
	}
}

// entryPath is called for deviations only, so that clean records cost no text.
func entryPath(mechanism string, i int, element string) string {
	return fmt.Sprintf("auth_results/%s[%d]/%s", mechanism, i+1, element)
}

// result checks the result of a mechanism that does not have the result missing.
func (c *checker) result(mechanism string, i int, v AuthResult, raw string, missing AuthResult) {
	switch {
	case v == AuthResultAbsent && raw == "":
		c.add(RuleMissing, entryPath(mechanism, i, "result"), c.schema, "the element is required")
	case v == AuthResultAbsent, v == AuthResultOther, v == missing, parseAuthResult(string(v)) == AuthResultOther:
		if raw == "" {
			raw = string(v)
		}
		c.add(RuleValue, entryPath(mechanism, i, "result"), c.schema, "%q is no result of this mechanism", text.Cut(raw, 32))
	}
}

// warnings turns what had to be repaired into deviations, apart from what the
// other checks find in the values and what no standard forbids.
func (c *checker) warnings(r *Report) {
	elsewhere := []Code{
		CodeDomainNormalized, CodeOrgAddress, CodePeriodEmpty, CodePeriodLong, CodePeriodReversed,
		CodeSourceMissing, CodeSourceInvalid, CodeDispositionMissing, CodeDispositionUnknown,
		CodeEvaluationMissing, CodeEvaluationUnknown, CodeReasonTypeMissing, CodeResultMissing,
		CodeResultUnknown, CodeUnknownNamespace,
	}
	for _, w := range r.Warnings {
		if slices.Contains(elsewhere, w.Code) {
			continue
		}
		path := "feedback"
		if w.Line > 0 {
			path = fmt.Sprintf("line %d", w.Line)
		}
		message := string(w.Code)
		if w.Value != "" {
			message += fmt.Sprintf(" %q", w.Value)
		}
		c.deviate(Deviation{Section: c.schema, Rule: RuleRepaired, Path: path, Message: message})
	}
}
