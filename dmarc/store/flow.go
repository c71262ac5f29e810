package store

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// flow is the messages from an address that authenticated in one way.
type flow struct {
	messages int64
	perDay   [readinessDays]int64
	orgs     orgSet
}

type flowKey struct {
	source int
	facts  *facts
}

// passKey tells messages apart that pass.
type passKey struct {
	source int
	sender string
}

// flows are all messages to a domain's policy in some days.
type flows struct {
	first tally.Day
	// failing are those that do not pass, spfOnly those that pass by SPF alone.
	failing, spfOnly map[flowKey]*flow
	pass             map[passKey]int64
	signers          map[*facts][]int // some sources that passed in one way
}

// mostSigners bounds the sources of one way.
const mostSigners = 50

func newFlows(first tally.Day) *flows {
	return &flows{first, map[flowKey]*flow{}, map[flowKey]*flow{}, map[passKey]int64{}, map[*facts][]int{}}
}

// add adds a part.
func (f *flows) add(p *part) {
	at := int(p.day) - int(f.first)
	if at < 0 || at >= readinessDays {
		return
	}
	all := f.failing
	if p.facts.pass() {
		key := passKey{p.source, p.facts.sender}
		addTo(&f.pass, key, p.messages)
		if p.facts.dkim {
			if some := f.signers[p.facts]; len(some) < mostSigners && !slices.Contains(some, p.source) {
				f.signers[p.facts] = append(some, p.source)
			}
			return
		}
		all = f.spfOnly
	}
	key := flowKey{p.source, p.facts}
	one := all[key]
	if one == nil {
		one = &flow{}
		all[key] = one
	}
	one.messages, one.perDay[at] = tally.Add(one.messages, p.messages), tally.Add(one.perDay[at], p.messages)
	one.orgs.add(p.orgs)
}

// unit is a sender as a readiness is decided: by name, or the address of one
// without. Spoofers have many addresses, each for a day.
type unit struct {
	name     string
	pass     int64
	spfOnly  *trouble
	troubles map[Problem]*trouble
}

// trouble is the messages of a unit that have a problem.
type trouble struct {
	flow
	domains, selectors, sources map[string]int64
}

func (t *trouble) add(f *flow, source, domain, selector string) {
	t.messages = tally.Add(t.messages, f.messages)
	for i, n := range f.perDay {
		t.perDay[i] = tally.Add(t.perDay[i], n)
	}
	t.orgs.join(f.orgs)
	named := func(sums *map[string]int64, name string) {
		if name != "" {
			addTo(sums, name, f.messages)
		}
	}
	named(&t.domains, domain)
	named(&t.selectors, selector)
	named(&t.sources, source)
}

// days returns on how many days there are messages, and whether most of them are
// from few of these.
func (t *trouble) days() (days uint64, burst bool) {
	sorted := slices.Sorted(slices.Values(t.perDay[:]))
	top := int64(0)
	for _, n := range sorted[readinessDays-burstDays:] {
		top = tally.Add(top, n)
	}
	for i, n := range t.perDay {
		if n > 0 {
			days |= 1 << i
		}
	}
	return days, top >= t.messages-t.messages/5
}

// senders returns the senders that need a look.
func (f *flows) senders(domain string, sources []string, known map[string]address) (all []ReadinessSender) {
	units := map[string]*unit{}
	valid := map[string]map[string]bool{} // who signs with a selector of the domain, validly
	unitOf := func(at int, sender string) *unit {
		source := sources[at]
		a := known[source]
		name := cmp.Or(a.sender, sender, a.guess, a.hostSender, source)
		u := units[name]
		if u == nil {
			u = &unit{name: name, troubles: map[Problem]*trouble{}}
			units[name] = u
		}
		return u
	}
	for key, messages := range f.pass {
		u := unitOf(key.source, key.sender)
		u.pass = tally.Add(u.pass, messages)
	}
	for facts, signers := range f.signers {
		for _, selector := range facts.ownSelectors(domain, true) {
			if valid[selector] == nil {
				valid[selector] = map[string]bool{}
			}
			for _, source := range signers {
				valid[selector][unitOf(source, facts.sender).name] = true
			}
		}
	}
	for key, one := range f.spfOnly {
		u := unitOf(key.source, key.facts.sender)
		if u.spfOnly == nil {
			u.spfOnly = &trouble{}
		}
		u.spfOnly.add(one, sources[key.source], "", "")
	}
	for key, one := range f.failing {
		u := unitOf(key.source, key.facts.sender)
		problem, authenticated, selector := key.facts.problem(domain, func(selector string) bool {
			others := valid[selector]
			return len(others) > 1 || len(others) == 1 && !others[u.name]
		})
		t := u.troubles[problem]
		if t == nil {
			t = &trouble{}
			u.troubles[problem] = t
		}
		t.add(one, sources[key.source], authenticated, selector)
	}
	for _, u := range units {
		for problem, t := range u.troubles {
			all = append(all, f.sender(u, problem, t))
		}
		// A tenth of what passes is worth a word.
		if u.spfOnly != nil && u.spfOnly.messages >= u.pass/10 {
			all = append(all, f.sender(u, ProblemSPFOnly, u.spfOnly))
		}
	}
	return all
}

// sender describes a problem of a unit.
func (f *flows) sender(u *unit, problem Problem, t *trouble) ReadinessSender {
	days, burst := t.days()
	s := ReadinessSender{
		Name: u.name, Problem: problem, Messages: t.messages, PassMessages: u.pass, Days: bits.OnesCount64(days), Reporters: t.orgs.size(), Burst: burst,
		First: timeOfDay(f.first + tally.Day(bits.TrailingZeros64(days))), Last: timeOfDay(f.first + tally.Day(bits.Len64(days)-1)),
		Sources: most(t.sources, 3), SourceCount: len(t.sources),
	}
	for _, domain := range most(t.domains, 1) {
		s.Domain = domain
	}
	for _, selector := range most(t.selectors, 1) {
		s.Selector = selector
	}
	persistent := s.Days >= persistentDays && s.Reporters >= persistentOrgs
	switch {
	case problem == ProblemForwarded:
		s.Kind = KindForwarder
	case s.Domain != "" || u.pass > 0 || persistent:
		s.Kind = KindOwn
	default:
		s.Kind = KindSpoofing
	}
	return s
}

// ownSelectors returns the selectors of signatures for a domain, or one below or
// above it, whose result is a pass or not.
func (f *facts) ownSelectors(domain string, valid bool) (selectors []string) {
	for i := range f.dkimResults {
		a := &f.dkimResults[i]
		d := folded(a.Domain)
		if (a.Result == dmarc.AuthResultPass) == valid && within(d, domain) {
			selectors = append(selectors, a.Selector+"._domainkey."+d)
		}
	}
	return selectors
}

// within reports whether one of two domains is the other, or below it.
func within(a, b string) bool {
	return a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a) && strings.Contains(a, ".")
}

// problem says why messages do not pass, for which domain they are authenticated,
// and with which key they were signed in vain. Good tells selectors that others
// sign with validly: such a signature was broken on the way.
func (f *facts) problem(domain string, good func(selector string) bool) (p Problem, authenticated, selector string) {
	if len(f.passed) > 0 {
		authenticated = f.passed[0]
	}
	broken := f.ownSelectors(domain, false)
	switch {
	case f.class == tally.ClassForwarded || f.class == tally.ClassLocalOverride, slices.ContainsFunc(broken, good):
		return ProblemForwarded, authenticated, ""
	case slices.ContainsFunc(f.dkimResults, isPass):
		return ProblemDKIM, authenticated, ""
	case len(broken) > 0:
		return ProblemSignature, authenticated, broken[0]
	case authenticated != "":
		return ProblemSPF, authenticated, ""
	}
	return ProblemNone, "", ""
}

func isPass(a reportjson.DKIM) bool { return a.Result == dmarc.AuthResultPass }
