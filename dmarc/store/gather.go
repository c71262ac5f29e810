package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// gathered is a group as it grows: there are as many as addresses, so that it is
// small.
type gathered struct {
	ways        []way
	at          map[*facts]int // in ways, once these are many
	valid       int64          // by the signature that the group is about
	orgs        orgSet
	first, last tally.Day
	sender      string    // of an address
	next        *gathered // of the same address, with another sender
}

// way is messages that authenticated in one way.
type way struct {
	facts    *facts
	messages int64
}

// add adds a part; valid says that the signature which the group is about is valid.
func (g *gathered) add(p *part, valid bool) {
	g.seen(p.day, p.day)
	g.count(p.facts, p.messages)
	if valid {
		g.valid = tally.Add(g.valid, p.messages)
	}
	g.orgs.add(p.orgs)
}

// seen notes days of messages, before these are counted.
func (g *gathered) seen(first, last tally.Day) {
	if len(g.ways) == 0 {
		g.first, g.last = first, last
	}
	g.first, g.last = min(g.first, first), max(g.last, last)
}

// count adds messages.
func (g *gathered) count(f *facts, messages int64) {
	i, ok := 0, false
	if g.at != nil {
		i, ok = g.at[f]
	} else {
		i = slices.IndexFunc(g.ways, func(w way) bool { return w.facts == f })
		ok = i >= 0
	}
	if ok {
		g.ways[i].messages = tally.Add(g.ways[i].messages, messages)
		return
	}
	g.ways = append(g.ways, way{f, messages})
	const few = 16
	switch {
	case g.at != nil:
		g.at[f] = len(g.ways) - 1
	case len(g.ways) > few:
		g.at = make(map[*facts]int, 2*few)
		for i := range g.ways {
			g.at[g.ways[i].facts] = i
		}
	}
}

// join adds what another group has.
func (g *gathered) join(more *gathered) {
	g.seen(more.first, more.last)
	for _, w := range more.ways {
		g.count(w.facts, w.messages)
	}
	g.orgs.join(more.orgs)
}

// addTo adds messages to one of the sums of a map, which is made when it is nil.
func addTo[K comparable](sums *map[K]int64, key K, messages int64) {
	if *sums == nil {
		*sums = map[K]int64{}
	}
	(*sums)[key] = tally.Add((*sums)[key], messages)
}

// group returns what groups are told apart and ordered by.
func (g *gathered) group(name string) Group {
	out := Group{Name: name, ValidMessages: g.valid}
	first, last, orgs := g.first, g.last, g.orgs
	var senders map[string]int64
	for one := g; one != nil; one = one.next {
		first, last = min(first, one.first), max(last, one.last)
		before := out.Messages
		for _, w := range one.ways {
			out.add(w.facts, w.messages)
		}
		if g.next == nil {
			out.Sender = g.sender
			break
		}
		addTo(&senders, one.sender, out.Messages-before)
		if one != g {
			orgs = slices.Clone(orgs)
			orgs.join(one.orgs)
		}
	}
	for _, sender := range most(senders, 1) {
		out.Sender = sender
	}
	out.Reporters, out.First, out.Last = orgs.size(), timeOfDay(first), timeOfDay(last)
	return out
}

// add adds messages.
func (g *Group) add(f *facts, messages int64) {
	g.Messages = tally.Add(g.Messages, messages)
	addIf := func(to *int64, counts bool) {
		if counts {
			*to = tally.Add(*to, messages)
		}
	}
	addIf(&g.PassMessages, f.pass())
	addIf(&g.DKIMMessages, f.dkim)
	addIf(&g.SPFMessages, f.spf)
}

// detail adds to a group what only those need that are shown.
func (g *gathered) detail(to *Group) {
	var passed map[string]int64
	for one := g; one != nil; one = one.next {
		for _, w := range one.ways {
			addTo(&to.Classes, w.facts.class, w.messages)
			for _, domain := range w.facts.passed {
				addTo(&passed, domain, w.messages)
			}
		}
	}
	const mostPassed = 3
	to.Passed = most(passed, mostPassed)
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
	parts   *parts
	of      []*gather // nil for questions that reports alone can answer
	sources []*bySource
}

// gather collects the groups of one question.
type gather struct {
	q       *Question
	groups  map[string]*gathered
	sources *bySource
	classes map[tally.Day]map[tally.Class]int64
}

// bySource are groups by address and sender, for all questions that need them.
type bySource struct {
	failing bool
	list    []*gathered          // the first of each address, by its number
	others  map[sentBy]*gathered // those of other senders
}

// sentBy is an address, and who its messages were authenticated for.
type sentBy struct {
	source int
	sender string
}

// add adds a part to its group.
func (s *bySource) add(p *part) {
	if s.failing && p.facts.pass() {
		return
	}
	for len(s.list) <= p.source {
		s.list = append(s.list, nil)
	}
	sender, one := p.facts.sentBy(), s.list[p.source]
	switch {
	case one == nil:
		one = &gathered{sender: sender}
		s.list[p.source] = one
	case one.sender != sender:
		key, first := sentBy{p.source, sender}, one
		if one = s.others[key]; one == nil {
			one = &gathered{sender: sender, next: first.next}
			first.next, s.others[key] = one, one
		}
	}
	one.add(p, false)
}

// add adds a question.
func (g *gathering) add(q *Question) {
	var one *gather
	switch q.By {
	case BySource, BySender:
		i := slices.IndexFunc(g.sources, func(s *bySource) bool { return s.failing == q.Failing })
		if i < 0 {
			i, g.sources = len(g.sources), append(g.sources, &bySource{failing: q.Failing, others: map[sentBy]*gathered{}})
		}
		one = &gather{q: q, sources: g.sources[i]}
	case BySelector, ByDisposition:
		one = &gather{q: q}
	case ByDay:
		if q.Classes {
			one = &gather{q: q, classes: map[tally.Day]map[tally.Class]int64{}}
		}
	}
	if one != nil {
		one.groups = map[string]*gathered{}
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
		for _, one := range g.sources {
			one.add(p)
		}
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
	}
}

// group returns a group, which is made when there is none.
func group(all map[string]*gathered, name string) *gathered {
	g := all[name]
	if g == nil {
		g = &gathered{}
		all[name] = g
	}
	return g
}

// finish returns the groups, without their details.
func (g *gather) finish(ctx context.Context, v *View, sources *names) ([]Group, error) {
	switch g.q.By {
	case BySource:
		for i, one := range g.sources.list {
			if one != nil {
				g.groups[sources.list[i]] = one
			}
		}
	case BySender:
		known, err := addressesOf(ctx, v, sources.list)
		if err != nil {
			return nil, err
		}
		for i, one := range g.sources.list {
			for a := known[sources.list[i]]; one != nil; one = one.next {
				group(g.groups, a.name(one.sender)).join(one)
			}
		}
	}
	all := make([]Group, 0, len(g.groups))
	for name, one := range g.groups {
		all = append(all, one.group(name))
	}
	return all, nil
}

// detail adds their details to groups.
func (g *gather) detail(groups []Group) {
	for i := range groups {
		g.groups[groups[i].Name].detail(&groups[i])
	}
}

// classify adds their classes to days.
func (g *gather) classify(days []Group) {
	for i := range days {
		days[i].Classes = g.classes[tally.DayOf(days[i].First)]
	}
}
