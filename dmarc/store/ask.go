package store

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"time"

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
	// Brief leaves out Group.Passed: of groups by source and sender, only records
	// tell that and no rollup.
	Brief bool
	// Classes tells the classes of the messages of days, which only records have.
	Classes bool
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
	answers, err := AskEach(ctx, v, q)
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// AskEach answers several questions about one period, which is that of the first.
// Records are read once for all of them.
func AskEach(ctx context.Context, v *View, questions ...Question) (answers []*Answer, err error) {
	var covered Covered
	period := &questions[0].Period
	if err := covered.cover(ctx, v, period); err != nil {
		return nil, err
	}
	groups := make([][]Group, len(questions))
	g := gathering{}
	for i := range questions {
		q := &questions[i]
		q.Period = *period
		switch q.By {
		case ByDay, ByReporter, ByDomain:
			groups[i], err = askReports(ctx, v, q)
		case BySource, BySender, BySelector, ByDisposition:
		default:
			err = fmt.Errorf("no question is by %q", q.By)
		}
		if err != nil {
			return nil, err
		}
		g.add(q)
	}
	if err := g.read(ctx, v, period); err != nil {
		return nil, err
	}
	for i := range questions {
		a := &Answer{Covered: covered}
		one := g.of[i]
		if one != nil && questions[i].By != ByDay {
			if groups[i], err = one.finish(ctx, g.parts); err != nil {
				return nil, err
			}
		} else if one != nil {
			one.classify(groups[i])
		}
		if err := a.finish(ctx, v, &questions[i], groups[i]); err != nil {
			return nil, err
		}
		answers = append(answers, a)
	}
	return answers, g.detail(ctx, answers)
}

// finish chooses the groups that were asked for, and describes them.
func (a *Answer) finish(ctx context.Context, v *View, q *Question, groups []Group) error {
	if q.Failing {
		groups = slices.DeleteFunc(groups, func(g Group) bool { return g.Messages == 0 })
	}
	described := q.By != BySource
	if q.Sender != "" && !described {
		if err := describe(ctx, v, groups); err != nil {
			return err
		}
		described = true
		groups = slices.DeleteFunc(groups, func(g Group) bool { return g.Sender != q.Sender })
	}
	a.Groups = a.choose(q, groups)
	if !described {
		return describe(ctx, v, a.Groups)
	}
	return nil
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

// selectors calls visit with each key that messages were signed with, by its name
// in DNS: once, however many signatures are made with it.
func (f *facts) selectors(visit func(name string, valid bool)) {
	if len(f.dkimResults) == 0 {
		visit("", false)
	}
	keys := make(map[string]bool, len(f.dkimResults))
	for i := range f.dkimResults {
		a := &f.dkimResults[i]
		name := a.Domain
		if a.Selector != "" {
			name = a.Selector + "._domainkey." + a.Domain
		}
		keys[name] = keys[name] || isPass(*a)
	}
	for name, valid := range keys {
		visit(name, valid)
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
