package dmarc

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Message is what DMARC decides by: the domain that a message claims to come
// from, and what SPF and DKIM found.
type Message struct {
	// From is the domain of the From field. Internationalised names must be given
	// as A-labels. A message with several authors has one evaluation for each domain.
	From string
	// DKIM are the results of all signatures.
	DKIM []DKIMAuth
	// SPF are the results for the identities of SPF. The one of Scope "helo"
	// decides only where there is no other, as for an empty return path.
	SPF []SPFAuth
}

// Verdict is what DMARC says of a message.
type Verdict struct {
	// Result is AuthResultPass or AuthResultFail; AuthResultNone without a policy;
	// AuthResultTempError when a policy was found and none of the identifiers is
	// aligned so far, but the DNS failed for one that may be.
	Result AuthResult
	// Disposition is what the domain owner requests: DispositionPass for a message
	// that passes, DispositionAbsent where nothing is requested because of Result.
	Disposition Disposition
	// Reasons tell why Disposition is not what the policy record says.
	Reasons []OverrideReason
	// DKIM and SPF are what policy_evaluated has in a report.
	DKIM, SPF Evaluation
	// Identifiers are the results that were looked at, those of DKIM before SPF.
	Identifiers []Identifier
	// Discovery is the policy that applies to the From domain.
	Discovery *Discovery
}

// Identifier is a domain that DKIM or SPF has a result for.
type Identifier struct {
	// Method is "dkim" or "spf".
	Method string
	// Domain is lower case without a trailing dot, or as given if it is no host name.
	Domain string
	// Result is that of the method; only AuthResultPass counts.
	Result AuthResult
	// Organizational is the Organizational Domain, where it was needed.
	Organizational string
	// Aligned is whether the domain is aligned with the From domain in the mode of the policy.
	Aligned bool
	// Err is why that is not known.
	Err error
}

// Evaluator evaluates messages (RFC 9989). It is safe for concurrent use when what
// it calls is.
type Evaluator struct {
	// Resolver looks up policy records. It is asked once for each name of a message.
	Resolver Resolver
	// Exists reports whether a domain exists: false if a server answered NXDOMAIN for
	// it. It is asked only for a subdomain whose policy has np. Nil stands for yes.
	Exists func(ctx context.Context, domain string) (bool, error)
	// Suffix returns the public suffix of a domain, as DiscoverPSL wants it. Nil
	// stands for the tree walk of RFC 9989.
	Suffix func(domain string) string
}

// maxIdentifiers bounds how many domains of one message cost a tree walk each.
const maxIdentifiers = 10

// Evaluate returns what the policy of the From domain asks for. An error is one
// of the DNS or of a From domain that is no host name; nothing is known of the
// message then.
func (e *Evaluator) Evaluate(ctx context.Context, m *Message) (*Verdict, error) {
	w := &evaluation{Evaluator: e, walker: walker{resolver: e.Resolver}}
	d, err := w.discover(ctx, m.From)
	if err != nil {
		return nil, err
	}
	v := &Verdict{Result: AuthResultNone, Discovery: d}
	if d.Record == nil {
		return v, nil
	}
	for i := range m.DKIM {
		v.Identifiers = append(v.Identifiers, w.identify(ctx, d, "dkim", m.DKIM[i].Domain, m.DKIM[i].Result, d.Record.ADKIM))
	}
	for i := range m.SPF {
		if decides(m.SPF, i) {
			v.Identifiers = append(v.Identifiers, w.identify(ctx, d, "spf", m.SPF[i].Domain, m.SPF[i].Result, d.Record.ASPF))
		}
	}
	v.DKIM, v.SPF = v.evaluated("dkim"), v.evaluated("spf")
	if v.DKIM == EvaluationPass || v.SPF == EvaluationPass {
		v.Result, v.Disposition = AuthResultPass, DispositionPass
		return v, nil
	}
	for i := range v.Identifiers {
		if id := &v.Identifiers[i]; id.Err != nil && id.Result == AuthResultPass {
			v.Result = AuthResultTempError
			return v, nil
		}
	}
	v.Result = AuthResultFail
	exists := true
	if e.Exists != nil && d.RecordDomain != d.Domain && d.Record.NP != DispositionAbsent {
		if exists, err = e.Exists(ctx, d.Domain); err != nil {
			return nil, fmt.Errorf("does %s exist: %w", d.Domain, err)
		}
	}
	v.Disposition = d.Requested(exists)
	if d.Record.Testing == "y" && v.Disposition != d.untested(exists) {
		v.Reasons = append(v.Reasons, OverrideReason{Type: "policy_test_mode"})
	}
	return v, nil
}

// untested returns what would be requested without t=y.
func (d *Discovery) untested(exists bool) Disposition {
	r := *d.Record
	r.Testing = ""
	return r.Requested(d.RecordDomain != d.Domain, exists)
}

// decides reports whether a result of SPF is looked at.
func decides(all []SPFAuth, i int) bool {
	return all[i].Scope != "helo" || !slices.ContainsFunc(all, func(a SPFAuth) bool { return a.Scope != "helo" })
}

// evaluated returns whether a method has an aligned pass.
func (v *Verdict) evaluated(method string) Evaluation {
	for i := range v.Identifiers {
		if id := &v.Identifiers[i]; id.Method == method && id.Aligned && id.Result == AuthResultPass {
			return EvaluationPass
		}
	}
	return EvaluationFail
}

// evaluation is the work on one message.
type evaluation struct {
	*Evaluator
	walker
	walked []*Discovery
}

func (w *evaluation) discover(ctx context.Context, domain string) (*Discovery, error) {
	if w.Suffix != nil {
		return w.psl(ctx, domain, w.Suffix)
	}
	return w.tree(ctx, domain)
}

// identify finds out whether a domain is aligned with the From domain (RFC 9989,
// section 4.9). A domain that is neither the Organizational Domain of the From
// domain nor below it cannot be, whatever the DNS has.
func (w *evaluation) identify(ctx context.Context, from *Discovery, method, domain string, result AuthResult, mode Alignment) Identifier {
	id := Identifier{Method: method, Domain: domain, Result: result}
	name, form := text.Host(domain)
	if form == text.HostInvalid {
		return id
	}
	id.Domain = name
	if name == from.Domain {
		id.Organizational, id.Aligned = from.Organizational, true
		return id
	}
	within := name == from.Organizational || strings.HasSuffix(name, "."+from.Organizational)
	if within && mode != AlignmentStrict {
		id.Organizational, id.Err = w.organizational(ctx, name)
		id.Aligned = id.Err == nil && id.Organizational == from.Organizational
	}
	return id
}

// organizational returns the Organizational Domain of a domain.
func (w *evaluation) organizational(ctx context.Context, domain string) (string, error) {
	if w.Suffix != nil {
		return belowSuffix(domain, w.Suffix(domain)), nil
	}
	for _, d := range w.walked {
		if d.Domain == domain {
			return d.Organizational, nil
		}
	}
	if len(w.walked) == maxIdentifiers {
		return "", fmt.Errorf("more than %d domains to look up", maxIdentifiers)
	}
	d, err := w.discover(ctx, domain)
	if err != nil {
		return "", err
	}
	w.walked = append(w.walked, d)
	return d.Organizational, nil
}
