package wording

import (
	"fmt"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Reasons are the reasons of a verdict, the most important first.
func Reasons(r *store.Readiness) (reasons []string) {
	add := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	if r.Reports == 0 {
		add("There are no reports about %s. Publish a record with rua= that leads to a mailbox that is read here, and wait for two weeks.", r.Domain)
		return reasons
	}
	own, forwarders, spoofers, bursts := map[string]bool{}, map[string]bool{}, 0, 0
	for i := range r.Senders {
		switch s := &r.Senders[i]; {
		case s.Problem == store.ProblemSPFOnly || s.Noise && s.Kind != store.KindSpoofing:
		case s.Kind == store.KindOwn:
			own[s.Name] = true
		case s.Kind == store.KindForwarder:
			forwarders[s.Name] = true
		default:
			spoofers++
			if s.Burst {
				bursts++
			}
		}
	}
	const fewestDays, fewestReporters = 14, 3
	if r.Days < fewestDays && !r.Parked {
		add("Reports are about %s of the last 30: wait until there are 14, since what sends once a week or a month may not have been seen.", Plural(int64(r.Days), "day"))
	}
	if r.Reporters < fewestReporters && !r.Parked {
		add("Only %s, where three are needed: what the others receive is not known.", Plural(r.Reporters, "reporter"))
	}
	switch {
	case r.Parked:
		add("Nothing passed in 30 days and nobody plausible sends: the domain looks parked. Publish p=reject and, for SPF, v=spf1 -all.")
	case len(own) > 0:
		add("%s of %s that are wanted would be hit (%s), sent by %s that plausibly belong%s to you.", Grouped(r.Hit), Plural(r.Wanted, "message"), Percent(r.Hit, r.Wanted),
			Plural(int64(len(own)), "sender"), map[bool]string{true: "s"}[len(own) == 1])
	default:
		add("Nothing that plausibly belongs to you would be hit.")
	}
	if r.Forwarded > 0 {
		add("%s (%s) were changed by forwarders or mailing lists (%d): receivers mostly make an exception, but p=reject lets them refuse.", Plural(r.Forwarded, "message"), Percent(r.Forwarded, r.Wanted), len(forwarders))
	}
	if r.Unwanted > 0 {
		text := fmt.Sprintf("%s from %s look like spoofing", Plural(r.Unwanted, "message"), Plural(int64(spoofers), "sender"))
		if bursts > 0 {
			text += fmt.Sprintf(", %d of them in a burst", bursts)
		}
		add("%s: not authenticated, and not seen again and again. This is what the policy is for.", text)
	}
	p := &r.Published
	if p.Pct != nil && *p.Pct < 100 {
		add("The record has pct=%d. Receivers of RFC 9989 do not know it: take it off, and use t=y for a test.", *p.Pct)
	}
	if strings.EqualFold(p.Testing, "y") {
		add("The record has t=y: receivers treat p=%s as the next milder policy. Take it off when you are done.", p.P)
	}
	if p.SP != "" && p.SP != p.P && p.P == dmarc.DispositionReject {
		add("The record has sp=%s: names below the domain are not protected by p=reject.", p.SP)
	}
	return reasons
}

// Fix says what to do about a sender.
func Fix(domain string, s *store.ReadinessSender) string {
	fix := ""
	switch s.Problem {
	case store.ProblemDKIM:
		if s.Domain == domain {
			fix = fmt.Sprintf("signs as %s, which adkim=s does not accept for names below it: have it sign as the domain in From, or publish adkim=r.", domain)
			break
		}
		fix = fmt.Sprintf("signs as %s: have it sign as %s (DKIM alignment).", s.Domain, domain)
	case store.ProblemSPF:
		fix = fmt.Sprintf("passes SPF only for %s: have it sign with DKIM as %s, or use a bounce domain below it.", s.Domain, domain)
	case store.ProblemSignature:
		fix = fmt.Sprintf("signs with %s, which verifies nowhere: publish the key, or have the sender use the one that is published.", s.Selector)
	case store.ProblemForwarded:
		return "forwards or changes what others sent: nothing to fix there. Sign everything with DKIM, which survives forwarding without changes."
	case store.ProblemSPFOnly:
		return fmt.Sprintf("passes by SPF only and would fail when it is forwarded: sign with DKIM as %s.", domain)
	case store.ProblemNone:
		if s.Kind == store.KindSpoofing {
			return "is not authenticated and not persistent: most likely not yours. The policy stops it."
		}
		fix = fmt.Sprintf("is not authenticated at all: sign with DKIM as %s, or add it to the SPF record.", domain)
	}
	if s.PassMessages == 0 {
		fix += " If it is not yours, there is nothing to do."
	}
	return fix
}

// Problem names a problem in a table.
func Problem(p store.Problem) string {
	return map[store.Problem]string{
		store.ProblemDKIM: "DKIM not aligned", store.ProblemSPF: "SPF not aligned", store.ProblemSignature: "bad signature",
		store.ProblemNone: "not authenticated", store.ProblemForwarded: "forwarded", store.ProblemSPFOnly: "SPF only",
	}[p]
}

// WhyFailing says why most messages of a group do not pass.
func WhyFailing(g *store.Group) string {
	best := tally.Class("")
	for _, class := range tally.Classes() {
		if !class.Aligned() && g.Classes[class] > g.Classes[best] {
			best = class
		}
	}
	return Class(best)
}

// Class names a class of messages; it is empty for what is none.
func Class(class tally.Class) string { return classes[class] }

var classes = map[tally.Class]string{
	tally.ClassAlignedBoth: "both aligned", tally.ClassDKIMOnly: "DKIM alone", tally.ClassSPFOnly: "SPF alone", tally.ClassForwarded: "forwarded",
	tally.ClassLocalOverride: "local policy", tally.ClassUnaligned: "not aligned", tally.ClassUnauthenticated: "not authenticated",
}
