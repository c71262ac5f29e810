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
	classes     classSums
	valid       int64 // by the signature that the group is about
	ways        []way // as far as they are known or wanted
	at          map[int64]int
	orgs        orgSet
	some        bool
	first, last tally.Day
	sentBy      int       // of an address: who its messages were authenticated for
	next        *gathered // of the same address, for another one
}

// classes are the classes of messages by their numbers.
var classes = [...]tally.Class{
	tally.ClassAlignedBoth, tally.ClassDKIMOnly, tally.ClassSPFOnly, tally.ClassForwarded, tally.ClassLocalOverride, tally.ClassUnaligned, tally.ClassUnauthenticated,
}

// classOf returns the number of a class, -1 when there is no such class.
func classOf(class tally.Class) int { return slices.Index(classes[:], class) }

// classSums are messages by class.
type classSums [len(classes)]int64

// of returns the messages of some classes.
func (s *classSums) of(some func(tally.Class) bool) (messages int64) {
	for i, class := range classes {
		if some(class) {
			messages = tally.Add(messages, s[i])
		}
	}
	return messages
}

func everyClass(tally.Class) bool { return true }

// way is messages that authenticated in one way.
type way struct{ content, messages int64 }

// add adds a part; valid says that the signature which the group is about is valid,
// and brief that nobody wants to know the ways.
func (g *gathered) add(p *part, valid, brief bool) {
	g.seen(p.day, p.day)
	g.classes[p.class] = tally.Add(g.classes[p.class], p.messages)
	if valid {
		g.valid = tally.Add(g.valid, p.messages)
	}
	g.orgs.add(p.orgs)
	if p.facts != nil && !brief {
		g.count(p.content, p.messages)
	}
}

// seen notes days of messages, before these are counted.
func (g *gathered) seen(first, last tally.Day) {
	if !g.some {
		g.some, g.first, g.last = true, first, last
	}
	g.first, g.last = min(g.first, first), max(g.last, last)
}

// count notes how messages authenticated. Of many ways it is looked up where they are.
func (g *gathered) count(content, messages int64) {
	i, ok := 0, false
	if g.at != nil {
		i, ok = g.at[content]
	} else {
		i = slices.IndexFunc(g.ways, func(w way) bool { return w.content == content })
		ok = i >= 0
	}
	if ok {
		g.ways[i].messages = tally.Add(g.ways[i].messages, messages)
		return
	}
	g.ways = append(g.ways, way{content, messages})
	const few = 16
	switch {
	case g.at != nil:
		g.at[content] = len(g.ways) - 1
	case len(g.ways) > few:
		g.at = make(map[int64]int, 2*few)
		for i := range g.ways {
			g.at[g.ways[i].content] = i
		}
	}
}

// join adds what another group has.
func (g *gathered) join(more *gathered) {
	g.seen(more.first, more.last)
	for class, messages := range more.classes {
		g.classes[class] = tally.Add(g.classes[class], messages)
	}
	for _, w := range more.ways {
		g.count(w.content, w.messages)
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

// group returns what groups are told apart and ordered by. Senders are who
// messages of addresses were authenticated for; nil of other groups.
func (g *gathered) group(name string, senders []string) Group {
	all, sender := g, ""
	switch {
	case g.next != nil:
		all = &gathered{}
		var sentBy map[string]int64
		for one := g; one != nil; one = one.next {
			all.join(one)
			addTo(&sentBy, senders[one.sentBy], one.classes.of(everyClass))
		}
		sender = most(sentBy, 1)[0]
	case senders != nil:
		sender = senders[g.sentBy]
	}
	sums := &all.classes
	return Group{
		Name: name, Sender: sender, Messages: sums.of(everyClass), PassMessages: sums.of(tally.Class.Aligned), ValidMessages: all.valid,
		DKIMMessages: sums.of(func(c tally.Class) bool { return c == tally.ClassAlignedBoth || c == tally.ClassDKIMOnly }),
		SPFMessages:  sums.of(func(c tally.Class) bool { return c == tally.ClassAlignedBoth || c == tally.ClassSPFOnly }),
		Reporters:    all.orgs.size(), First: timeOfDay(all.first), Last: timeOfDay(all.last),
	}
}

// detail adds to a group what only those need that are shown.
func (g *gathered) detail(to *Group, brief bool, known contentFacts) {
	var passed map[string]int64
	for one := g; one != nil; one = one.next {
		for class, messages := range one.classes {
			if messages > 0 {
				addTo(&to.Classes, classes[class], messages)
			}
		}
		if brief {
			continue
		}
		for _, w := range one.ways {
			for _, domain := range known[w.content].passed {
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
	known   map[string]address // the addresses of senders
	classes map[tally.Day]map[tally.Class]int64
}

// bySource are groups by address and sender, for all questions that need them.
type bySource struct {
	failing, brief bool
	list           []*gathered          // the first of each address, by its number
	others         map[sentBy]*gathered // those of other senders
}

// sentBy is an address, and who its messages were authenticated for.
type sentBy struct{ source, sender int }

// add adds a part to its group.
func (s *bySource) add(p *part) {
	if s.failing && p.pass() {
		return
	}
	for len(s.list) <= p.source {
		s.list = append(s.list, nil)
	}
	one := s.list[p.source]
	switch {
	case one == nil:
		one = &gathered{sentBy: p.sentBy}
		s.list[p.source] = one
	case one.sentBy != p.sentBy:
		key, first := sentBy{p.source, p.sentBy}, one
		if one = s.others[key]; one == nil {
			one = &gathered{sentBy: p.sentBy, next: first.next}
			first.next, s.others[key] = one, one
		}
	}
	one.add(p, false, s.brief)
}

// add adds a question.
func (g *gathering) add(q *Question) {
	var one *gather
	switch q.By {
	case BySource, BySender:
		i := slices.IndexFunc(g.sources, func(s *bySource) bool { return s.failing == q.Failing })
		if i < 0 {
			i, g.sources = len(g.sources), append(g.sources, &bySource{failing: q.Failing, brief: true, others: map[sentBy]*gathered{}})
		}
		g.sources[i].brief = g.sources[i].brief && q.Brief
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
	// Groups by address are many, and the details of those that are shown are read later.
	g.parts.known = slices.ContainsFunc(all, func(one *gather) bool { return one.sources == nil })
	g.parts.failing = !slices.ContainsFunc(all, func(one *gather) bool { return !one.q.Failing })
	return g.parts.read(ctx)
}

// visit adds a part to its groups.
func (g *gather) visit(p *part) {
	if g.sources != nil || g.q.Failing && p.pass() {
		return
	}
	switch g.q.By {
	case ByDay:
		sums := g.classes[p.day]
		addTo(&sums, p.facts.class, p.messages)
		g.classes[p.day] = sums
	case ByDisposition:
		group(g.groups, p.facts.disposition).add(p, false, g.q.Brief)
	case BySelector:
		p.facts.selectors(func(name string, valid bool) { group(g.groups, name).add(p, valid, g.q.Brief) })
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
func (g *gather) finish(ctx context.Context, p *parts) (all []Group, err error) {
	var senders []string
	switch g.q.By {
	case BySource:
		senders = p.senders.list
		for i, one := range g.sources.list {
			if one != nil {
				g.groups[p.sources.list[i]] = one
			}
		}
	case BySender:
		if g.known, err = addressesOf(ctx, p.view, p.sources.list); err != nil {
			return nil, err
		}
		for i, one := range g.sources.list {
			for a := g.known[p.sources.list[i]]; one != nil; one = one.next {
				group(g.groups, a.name(p.senders.list[one.sentBy])).join(one)
			}
		}
	}
	all = make([]Group, 0, len(g.groups))
	for name, one := range g.groups {
		all = append(all, one.group(name, senders))
	}
	return all, nil
}

// of returns the group of a part, nil when it has none.
func (g *gather) of(p *part, names *parts) *gathered {
	if g.sources == nil || g.q.Failing && p.pass() {
		return nil
	}
	name := names.sources.list[p.source]
	if g.q.By == BySender {
		a := g.known[name]
		name = a.name(names.senders.list[p.sentBy])
	}
	return g.groups[name]
}

// detail adds their details to the groups of answers, which are those that are shown.
func (g *gathering) detail(ctx context.Context, answers []*Answer) error {
	if g.parts == nil {
		return nil
	}
	if len(g.parts.last) > 0 && !g.parts.known {
		if err := g.readWays(ctx, answers); err != nil {
			return err
		}
	}
	var ids []int64
	for i, one := range g.of {
		if one == nil || one.q.By == ByDay || one.q.Brief {
			continue
		}
		for j := range answers[i].Groups {
			for g := one.groups[answers[i].Groups[j].Name]; g != nil; g = g.next {
				for _, w := range g.ways {
					ids = append(ids, w.content)
				}
			}
		}
	}
	known := g.parts.facts
	if err := known.read(ctx, g.parts.view, ids); err != nil {
		return err
	}
	for i, one := range g.of {
		if one == nil || one.q.By == ByDay {
			continue
		}
		for j := range answers[i].Groups {
			to := &answers[i].Groups[j]
			one.groups[to.Name].detail(to, one.q.Brief, known)
		}
	}
	return nil
}

// readWays reads the rollups once more, for how the messages of the groups that are
// shown authenticated.
func (g *gathering) readWays(ctx context.Context, answers []*Answer) error {
	p := g.parts
	shown := make([]map[*gathered]bool, len(g.of))
	chosen := make([]bool, len(p.sources.list))
	for i, one := range g.of {
		if one == nil || one.q.Brief {
			continue
		}
		shown[i] = map[*gathered]bool{}
		for j := range answers[i].Groups {
			name := answers[i].Groups[j].Name
			shown[i][one.groups[name]] = true
			if one.q.By == BySource {
				chosen[p.sources.numberOf(name)] = true
			}
		}
		if one.q.By == BySender && len(shown[i]) > 0 {
			for j := range chosen {
				chosen[j] = true
			}
		}
	}
	if !slices.Contains(chosen, true) {
		return nil
	}
	again := *p
	again.chosen = chosen
	var counted []*gathered // Questions about the same addresses have the same groups.
	again.visit = func(part *part) {
		counted = counted[:0]
		for i, one := range g.of {
			if one == nil {
				continue
			}
			if to := one.of(part, p); shown[i][to] && !slices.Contains(counted, to) {
				to.count(part.content, part.messages)
				counted = append(counted, to)
			}
		}
	}
	return again.readRollups(ctx)
}

// classify adds their classes to days.
func (g *gather) classify(days []Group) {
	for i := range days {
		days[i].Classes = g.classes[tally.DayOf(days[i].First)]
	}
}
