package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// By is what messages are told apart by.
type By string

// What messages may be told apart by.
const (
	BySource      By = "source"      // the address that they came from
	BySender      By = "sender"      // who sent them, by name
	ByDay         By = "day"         // the day on which they were sent
	ByReporter    By = "reporter"    // who reported them
	BySelector    By = "selector"    // their DKIM signatures; a message with two counts for both
	ByDomain      By = "domain"      // the policy domain
	ByDisposition By = "disposition" // what the receiver did with them
)

// Question asks how many messages there were.
type Question struct {
	Period
	By By
	// Failing leaves out messages that passed DMARC.
	Failing bool
	// Sender leaves out what was sent by others, by the name of the sender; it is
	// for questions by source.
	Sender string
	// Order is the order of the groups; empty means OrderMessages.
	Order Order
	// Skip leaves out that many groups at the start, and Top bounds those that
	// are returned after them; 0 returns all. Days are never left out.
	Skip, Top int
}

// Answer is what a question comes to.
type Answer struct {
	// Groups are in the order that was asked for; days in their own.
	Groups []Group
	// Found is how many groups there are, those included that were left out.
	Found int64
	// More groups were left out, with so many messages.
	More, MoreMessages int64
	Covered
}

// Covered says what reports there are in a period.
type Covered struct {
	Reports, Reporters int64
	// Messages are those of the reports, PassMessages of them passed DMARC.
	Messages, PassMessages int64
	// First and Last are the days of the messages; zero without any.
	First, Last time.Time
	// Records is how many the reports had, and Kept how many of them are kept.
	// What questions by source, sender, selector and disposition come to is of
	// those.
	Records, Kept int64
}

// Group is messages that have something in common.
type Group struct {
	// Name is what they have in common, by what was asked; empty when the
	// reports do not have it.
	Name string
	// Sender is who sends from an address, Host is its name, and Country, ASN and
	// ASName are where it is, as far as they are known; only of an address.
	Sender, Host, Country, ASName string
	ASN                           int64
	// Messages are all that were asked for, PassMessages those that passed DMARC,
	// and DKIMMessages and SPFMessages those with an aligned pass of it; of
	// reporters, days and domains these two are not known. ValidMessages are
	// those whose signature with a selector was valid.
	Messages, PassMessages, DKIMMessages, SPFMessages, ValidMessages int64
	// Classes are the messages by how they authenticated, where records tell.
	Classes map[tally.Class]int64
	// Reports is of reporters, days and domains, Reporters of all but reporters.
	Reports, Reporters int64
	// First and Last are the days of the messages.
	First, Last time.Time
	// Passed are the domains that messages were authenticated for, the most
	// frequent first, three at most.
	Passed []string
}

// Ask answers a question.
func Ask(ctx context.Context, v *View, q Question) (*Answer, error) {
	a := &Answer{}
	err := a.cover(ctx, v, &q.Period)
	if err != nil {
		return nil, err
	}
	var groups []Group
	switch q.By {
	case ByDay, ByReporter, ByDomain:
		groups, err = askReports(ctx, v, &q)
	case BySource, BySender, BySelector, ByDisposition:
		groups, err = askRecords(ctx, v, &q)
	default:
		err = fmt.Errorf("no question is by %q", q.By)
	}
	if err != nil {
		return nil, err
	}
	if q.Failing {
		groups = slices.DeleteFunc(groups, func(g Group) bool { return g.Messages == 0 })
	}
	described := q.By != BySource
	if q.Sender != "" && !described {
		if err := describe(ctx, v, groups); err != nil {
			return nil, err
		}
		described = true
		groups = slices.DeleteFunc(groups, func(g Group) bool { return g.Sender != q.Sender })
	}
	groups = a.choose(&q, groups)
	a.Groups = groups
	if !described {
		return a, describe(ctx, v, a.Groups)
	}
	return a, nil
}

// cover finds out what reports there are.
func (c *Covered) cover(ctx context.Context, v *View, p *Period) error {
	where, args := p.where()
	return v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		c.Reports, c.Reporters, c.Messages, c.PassMessages, c.Records, c.Kept = r.number(), r.number(), r.number(), r.number(), r.number(), r.number()
		if c.Reports > 0 {
			c.First, c.Last = timeOfDay(sentDay(r.number())), timeOfDay(sentDay(r.number()))
		}
		return nil
	}, "SELECT count(*), count(DISTINCT r.org_name), "+totalSQL("r.messages")+", "+totalSQL("r.pass_messages")+", "+totalSQL("r.records")+", "+totalSQL("r.kept")+
		", min("+sentSQL+"), max("+sentSQL+") FROM reports r WHERE "+where, args...)
}

// totalSQL adds numbers up; PostgreSQL would make a number of any size of them.
func totalSQL(column string) string { return "CAST(coalesce(sum(" + column + "), 0) AS BIGINT)" }

// askReports answers what the reports alone can tell.
func askReports(ctx context.Context, v *View, q *Question) (groups []Group, err error) {
	by := map[By]string{ByDay: sentSQL + " / 86400", ByReporter: "r.org_name", ByDomain: "r.domain"}[q.By]
	where, args := q.where()
	err = v.Query(ctx, func(row []any) error {
		r := cells{row: row}
		var g Group
		if q.By == ByDay {
			g.Name = timeOfDay(tally.Day(r.number())).Format(time.DateOnly)
		} else {
			g.Name = r.text()
		}
		g.Reports, g.Reporters, g.Messages, g.PassMessages = r.number(), r.number(), r.number(), r.number()
		g.First, g.Last = timeOfDay(sentDay(r.number())), timeOfDay(sentDay(r.number()))
		if q.Failing {
			g.Messages, g.PassMessages = g.Messages-g.PassMessages, 0
		}
		groups = append(groups, g)
		return nil
	}, "SELECT "+by+", count(*), count(DISTINCT r.org_name), "+totalSQL("r.messages")+", "+totalSQL("r.pass_messages")+
		", min("+sentSQL+"), max("+sentSQL+") FROM reports r WHERE "+where+" GROUP BY 1", args...)
	return groups, err
}

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

// askRecords answers what only records can tell.
func askRecords(ctx context.Context, v *View, q *Question) ([]Group, error) {
	groups := map[string]*gathered{}
	bySource := map[sentBy]*gathered{}
	add := func(name string, p *part, valid bool) {
		g := groups[name]
		if g == nil {
			g = &gathered{}
			groups[name] = g
		}
		g.add(p, valid)
	}
	p := newParts(v, &q.Period, nil)
	if q.Failing {
		p.wants = func(f *facts) bool { return !f.pass() }
	}
	p.visit = func(one *part) {
		switch q.By {
		case ByDisposition:
			add(one.facts.disposition, one, false)
		case BySelector:
			one.facts.selectors(func(name string, valid bool) { add(name, one, valid) })
		default:
			key := sentBy{one.source, one.facts.sentBy()}
			g := bySource[key]
			if g == nil {
				g = &gathered{}
				bySource[key] = g
			}
			g.add(one, false)
		}
	}
	if err := p.read(ctx); err != nil {
		return nil, err
	}
	known := map[string]address{}
	if q.By == BySender {
		var err error
		if known, err = addressesOf(ctx, v, p.sources.list); err != nil {
			return nil, err
		}
	}
	for key, g := range bySource {
		name := p.sources.list[key.source]
		g.senders = map[string]int64{key.sender: g.Messages}
		if q.By == BySender {
			name = known[name].name(key.sender)
		}
		if groups[name] == nil {
			groups[name] = g
		} else {
			groups[name].join(g)
		}
	}
	all := make([]Group, 0, len(groups))
	for name, g := range groups {
		all = append(all, g.group(name))
	}
	return all, nil
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

// selectors calls visit with each signature, as the name of its key in DNS.
func (f *facts) selectors(visit func(name string, valid bool)) {
	if len(f.dkimResults) == 0 {
		visit("", false)
	}
	for i := range f.dkimResults {
		a := &f.dkimResults[i]
		name := a.Domain
		if a.Selector != "" {
			name = a.Selector + "._domainkey." + a.Domain
		}
		visit(name, a.Result == dmarc.AuthResultPass)
	}
}

// orgSet is a set of numbers of orgs.
type orgSet []uint64

func (s *orgSet) add(orgs []int) {
	for _, o := range orgs {
		for o/64 >= len(*s) {
			*s = append(*s, 0)
		}
		(*s)[o/64] |= 1 << (o % 64)
	}
}

func (s orgSet) size() (n int64) {
	for _, word := range s {
		n += int64(bits.OnesCount64(word))
	}
	return n
}

func (s *orgSet) join(more orgSet) {
	for len(*s) < len(more) {
		*s = append(*s, 0)
	}
	for i, word := range more {
		(*s)[i] |= word
	}
}
