package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// gathered is a group as it grows.
type gathered struct {
	Group
	orgs        orgSet
	first, last tally.Day
	passed      map[string]int64
	senders     map[string]int64 // of an address
}

// add adds a part; valid says that the signature which the group is about is valid.
func (g *gathered) add(p *part, valid bool) {
	if g.Messages == 0 && g.first == 0 {
		g.first, g.last = p.day, p.day
	}
	g.first, g.last = min(g.first, p.day), max(g.last, p.day)
	g.Messages = tally.Add(g.Messages, p.messages)
	addIf := func(to *int64, counts bool) {
		if counts {
			*to = tally.Add(*to, p.messages)
		}
	}
	addIf(&g.PassMessages, p.facts.pass())
	addIf(&g.DKIMMessages, p.facts.dkim)
	addIf(&g.SPFMessages, p.facts.spf)
	addIf(&g.ValidMessages, valid)
	g.orgs.add(p.orgs)
	addTo(&g.Classes, p.facts.class, p.messages)
	for _, domain := range p.facts.passed {
		const mostPassed = 50 // reports name as many as they like
		if _, ok := g.passed[domain]; ok || len(g.passed) < mostPassed {
			addTo(&g.passed, domain, p.messages)
		}
	}
}

// addTo adds messages to one of the sums of a map, which is made when it is nil.
func addTo[K comparable](sums *map[K]int64, key K, messages int64) {
	if *sums == nil {
		*sums = map[K]int64{}
	}
	(*sums)[key] = tally.Add((*sums)[key], messages)
}

// group finishes a group.
func (g *gathered) group(name string) Group {
	const mostPassed = 3
	g.Name, g.Reporters = name, g.orgs.size()
	g.First, g.Last = timeOfDay(g.first), timeOfDay(g.last)
	g.Passed = most(g.passed, mostPassed)
	for _, sender := range most(g.senders, 1) {
		g.Sender = sender
	}
	return g.Group
}

// most returns the names with the largest numbers.
func most(numbers map[string]int64, n int) []string {
	names := slices.SortedFunc(maps.Keys(numbers), func(a, b string) int {
		return cmp.Or(cmp.Compare(numbers[b], numbers[a]), strings.Compare(a, b))
	})
	return names[:min(len(names), n)]
}

// gathering reads records for several questions.
type gathering struct {
	parts *parts
	of    []*gather // nil for questions that reports alone can answer
}

// gather collects the groups of one question.
type gather struct {
	q        *Question
	groups   map[string]*gathered
	bySource map[sentBy]*gathered
	classes  map[tally.Day]map[tally.Class]int64
}

// add adds a question.
func (g *gathering) add(q *Question) {
	var one *gather
	switch q.By {
	case BySource, BySender, BySelector, ByDisposition:
		one = &gather{q: q, groups: map[string]*gathered{}, bySource: map[sentBy]*gathered{}}
	case ByDay:
		if q.Classes {
			one = &gather{q: q, classes: map[tally.Day]map[tally.Class]int64{}}
		}
	}
	g.of = append(g.of, one)
}

// read reads the records, if a question wants any.
func (g *gathering) read(ctx context.Context, v *View, period *Period) error {
	all := slices.DeleteFunc(slices.Clone(g.of), func(one *gather) bool { return one == nil })
	if len(all) == 0 {
		return nil
	}
	g.parts = newParts(v, period, func(p *part) {
		for _, one := range all {
			one.visit(p)
		}
	})
	if !slices.ContainsFunc(all, func(one *gather) bool { return !one.q.Failing }) {
		g.parts.wants = func(f *facts) bool { return !f.pass() }
	}
	return g.parts.read(ctx)
}

// visit adds a part to its groups.
func (g *gather) visit(p *part) {
	if g.q.Failing && p.facts.pass() {
		return
	}
	switch g.q.By {
	case ByDay:
		sums := g.classes[p.day]
		addTo(&sums, p.facts.class, p.messages)
		g.classes[p.day] = sums
	case ByDisposition:
		group(g.groups, p.facts.disposition).add(p, false)
	case BySelector:
		p.facts.selectors(func(name string, valid bool) { group(g.groups, name).add(p, valid) })
	default:
		group(g.bySource, sentBy{p.source, p.facts.sentBy()}).add(p, false)
	}
}

// group returns a group, which is made when there is none.
func group[K comparable](all map[K]*gathered, key K) *gathered {
	g := all[key]
	if g == nil {
		g = &gathered{}
		all[key] = g
	}
	return g
}

// finish returns the groups.
func (g *gather) finish(ctx context.Context, v *View, sources *names) ([]Group, error) {
	known := map[string]address{}
	if g.q.By == BySender {
		var err error
		if known, err = addressesOf(ctx, v, sources.list); err != nil {
			return nil, err
		}
	}
	for key, one := range g.bySource {
		name := sources.list[key.source]
		one.senders = map[string]int64{key.sender: one.Messages}
		if g.q.By == BySender {
			name = known[name].name(key.sender)
		}
		if g.groups[name] == nil {
			g.groups[name] = one
		} else {
			g.groups[name].join(one)
		}
	}
	all := make([]Group, 0, len(g.groups))
	for name, one := range g.groups {
		all = append(all, one.group(name))
	}
	return all, nil
}

// classify adds their classes to days.
func (g *gather) classify(days []Group) {
	for i := range days {
		days[i].Classes = g.classes[tally.DayOf(days[i].First)]
	}
}

// sentBy is an address, and who its messages were authenticated for.
type sentBy struct {
	source int
	sender string
}

// join adds what another group has.
func (g *gathered) join(more *gathered) {
	g.first, g.last = min(g.first, more.first), max(g.last, more.last)
	g.Messages, g.PassMessages = tally.Add(g.Messages, more.Messages), tally.Add(g.PassMessages, more.PassMessages)
	g.DKIMMessages, g.SPFMessages = tally.Add(g.DKIMMessages, more.DKIMMessages), tally.Add(g.SPFMessages, more.SPFMessages)
	g.orgs.join(more.orgs)
	for sender, n := range more.senders {
		addTo(&g.senders, sender, n)
	}
	for class, n := range more.Classes {
		addTo(&g.Classes, class, n)
	}
	for domain, n := range more.passed {
		addTo(&g.passed, domain, n)
	}
}
