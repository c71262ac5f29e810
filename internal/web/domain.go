package web

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

const (
	topSenders = 20
	mostFixes  = 25
	// Spoofers are many, and nothing is to be done about them.
	mostSpoofing = 5
)

// domain is one policy domain.
func (p *Pages) domain(ctx context.Context, v *store.View, q *query) (*page, error) {
	name := q.get("name")
	if name == "" {
		return nil, badQuery("The name of the domain is missing: choose one on the overview.")
	}
	period, err := q.period(ctx, v, name)
	if err != nil {
		return nil, err
	}
	out := &page{Title: name, Active: "overview", Trail: []link{{"Overview", "./"}}}
	if period.Until.IsZero() {
		out.Notes = p.noneAbout(q, name)
	} else {
		out.Filter = &filter{Action: "domain", Fields: q.periodFields(), Hidden: []fact{{Name: "name", Text: name}}}
		a, err := askDomain(ctx, v, q, period)
		if err != nil {
			return nil, err
		}
		domainDays(q, a, period, out)
		if err := p.domainReadiness(ctx, v, q, period, out); err != nil {
			return nil, err
		}
		domainSenders(q, a, period, out)
	}
	if q.wants("tls") {
		tlsPeriod, err := q.tlsPeriod(ctx, v, name)
		if err != nil {
			return nil, err
		}
		a, err := p.askTLS(ctx, v, tlsPeriod)
		if err != nil {
			return nil, err
		}
		t := tlsPolicies(a)
		t.Name = "tls"
		more := note{Text: "How sessions failed is on the page about TLS.", Links: []link{{"TLS", to("tls", "domain", name)}}}
		out.add(&part{ID: "tls", Heading: "TLS", Notes: []note{more}, Table: q.programs(t)})
	}
	if out.last != nil {
		out.add(out.last)
	}
	return out, nil
}

// domainAnswers are the answers that a page about a domain is made of, nil for the
// tables that are not wanted.
type domainAnswers struct{ days, senders, sources, reporters *store.Answer }

// askDomain asks about a domain; its records are read once.
func askDomain(ctx context.Context, v *store.View, q *query, period store.Period) (*domainAnswers, error) {
	_, top := q.rows(topSenders)
	a := &domainAnswers{}
	var questions []store.Question
	var to []**store.Answer
	for _, one := range []struct {
		table string
		by    store.By
		to    **store.Answer
	}{{"days", store.ByDay, &a.days}, {"senders", store.BySender, &a.senders}, {"sources", store.BySource, &a.sources}, {"reporters", store.ByReporter, &a.reporters}} {
		if q.wants(one.table) {
			questions, to = append(questions, store.Question{Period: period, By: one.by, Classes: one.by == store.ByDay, Brief: true, Top: top}), append(to, one.to)
		}
	}
	if len(questions) == 0 {
		return a, nil
	}
	answers, err := store.AskEach(ctx, v, questions...)
	for i := range answers {
		*to[i] = answers[i]
	}
	return a, err
}

// domainDays adds what happened by day.
func domainDays(q *query, answers *domainAnswers, period store.Period, out *page) {
	a := answers.days
	if a == nil {
		return
	}
	out.Facts = []fact{
		{Name: "Days", Text: days(period)},
		{Name: "Messages", Text: fmt.Sprintf("%s, %s pass", wording.Grouped(a.Messages), wording.Percent(a.PassMessages, a.Messages))},
		{Name: "Reports", Text: fmt.Sprintf("%s of %s", wording.Grouped(a.Reports), wording.Plural(a.Reporters, "reporter")), Link: to("reports", "domain", period.Domain)},
	}
	t := &table{
		Name: "days", Caption: "Days with reports, the last first", Empty: "No report is about these days.",
		Columns: []column{when("day", "Day"), number("reports", "Reports"), number("reporters", "Reporters"), number("messages", "Messages"), number("pass_messages", "Passed"), number("pass", "Pass")},
	}
	for _, class := range tally.Classes() {
		t.Columns = append(t.Columns, column{Key: string(class) + "_messages", Title: capital(wording.Class(class)), Class: "num wide"})
	}
	sums, classes := map[time.Time]amount{}, map[time.Time]map[tally.Class]int64{}
	for i := range a.Groups {
		g := &a.Groups[len(a.Groups)-1-i]
		sums[g.First] = amount{g.PassMessages, g.Messages - g.PassMessages}
		classes[g.First] = g.Classes
		row := []cell{word(g.Name), count(g.Reports), count(g.Reporters), count(g.Messages), count(g.PassMessages), share(g.PassMessages, g.Messages)}
		for _, class := range tally.Classes() {
			row = append(row, count(g.Classes[class]))
		}
		t.Rows = append(t.Rows, row)
	}
	// The days in numbers are long, and stand at the end.
	chart := &part{ID: "chart", Heading: "Messages by day", Bars: newClassBars(period, classes)}
	if a.Kept < a.Records { // Of the others the reports know what passed.
		chart.Bars = newBars(period, sums, true)
	}
	out.add(chart)
	out.last = &part{ID: "days", Heading: "Days", Notes: append(notKept(&a.Covered), q.short(t, mostDays)...), Table: q.programs(t)}
}

// domainReadiness adds whether a stricter policy can be published.
func (p *Pages) domainReadiness(ctx context.Context, v *store.View, q *query, period store.Period, out *page) error {
	if !q.wants("readiness") {
		return nil
	}
	until := time.Time{}
	if !q.to.IsZero() {
		until = period.Until
	}
	r, err := store.AskReadiness(ctx, v, period.Domain, until)
	if err != nil {
		return err
	}
	answer := func(v store.Verdict) fact {
		return fact{Text: string(v), Class: map[store.Verdict]string{store.VerdictYes: "good", store.VerdictNo: "bad"}[v]}
	}
	quarantine, reject := answer(r.Quarantine), answer(r.Reject)
	quarantine.Name, reject.Name = "Ready for p=quarantine", "Ready for p=reject"
	one := &part{ID: "readiness", Heading: "Readiness for a stricter policy", Facts: []fact{
		{Name: "Published policy", Text: fmt.Sprintf("%s (seen on %s)", cmp.Or(wording.Policy(&r.Published), "nothing"), wording.Day(r.On))}, quarantine, reject,
	}}
	one.Notes = []note{{Text: fmt.Sprintf("Decided by the reports about %s to %s:", wording.Day(r.Since), wording.Day(r.Until.AddDate(0, 0, -1))), Items: wording.Reasons(r)}}
	t := &table{
		Name: "readiness", Caption: "Senders that need a look, and what to do", Empty: "No sender needs a look.",
		Columns: []column{
			text("sender", "Sender"), text("looks_like", "Looks like"), text("problem", "Problem"), number("messages", "Messages"), wideNumber("days", "Days"), wideNumber("reporters", "Reporters"), wideWhen("last", "Last seen"), long("fix", "What to do"),
		},
	}
	for i := range r.Senders {
		s := &r.Senders[i]
		sender := linked(s.Name, to("sources", "sender", s.Name, "domain", period.Domain, "to", q.get("to")))
		if len(s.Sources) == 1 && s.SourceCount == 1 {
			sender.Link = to("source", "address", s.Sources[0], "domain", period.Domain, "to", q.get("to"))
		}
		if len(s.Sources) > 0 && s.Sources[0] != s.Name {
			sender.Small = strings.Join(s.Sources, ", ")
		}
		if s.Noise {
			sender.Small = strings.TrimPrefix(sender.Small+"; too few to matter", "; ")
		}
		t.Rows = append(t.Rows, []cell{
			sender, word(string(s.Kind)), word(wording.Problem(s.Problem)), count(s.Messages), count(int64(s.Days)), count(s.Reporters), day(s.Last), word(sentence(strings.TrimSuffix(wording.Fix(r.Domain, s), "."))),
		})
	}
	rows := len(t.Rows)
	for i := range r.Senders {
		if r.Senders[i].Kind == store.KindSpoofing { // They come last.
			rows = i + mostSpoofing
			break
		}
	}
	one.Notes = append(one.Notes, q.short(t, min(rows, mostFixes))...)
	one.Table = q.programs(t)
	out.add(one)
	return nil
}

// domainSenders adds who sends and who reports.
func domainSenders(q *query, answers *domainAnswers, period store.Period, out *page) {
	if a := answers.senders; a != nil {
		t := &table{
			Name: "senders", Caption: "Who sent messages, by name", Empty: "No record of these days is kept.",
			Columns: []column{text("sender", "Sender"), number("messages", "Messages"), number("pass", "Pass"), wideNumber("dkim", "DKIM aligned"), wideNumber("spf", "SPF aligned"), wideNumber("reporters", "Reporters"), wideWhen("first", "First seen"), when("last", "Last seen")},
		}
		for i := range a.Groups {
			g := &a.Groups[i]
			t.Rows = append(t.Rows, []cell{
				linked(g.Name, q.sameDays("sources", "sender", g.Name, "domain", period.Domain)), count(g.Messages), share(g.PassMessages, g.Messages),
				share(g.DKIMMessages, g.Messages), share(g.SPFMessages, g.Messages), count(g.Reporters), day(g.First), day(g.Last),
			})
		}
		out.add(&part{ID: "senders", Heading: "Senders", Notes: append(notKept(&a.Covered), more(a, "sender", "")...), Table: q.programs(t)})
	}
	if a := answers.sources; a != nil {
		out.add(&part{ID: "sources", Heading: "Sources", Notes: more(a, "source", q.sameDays("sources", "domain", period.Domain)), Table: q.programs(sourcesTable(q, a.Groups, period.Domain))})
	}
	if a := answers.reporters; a != nil {
		t := &table{
			Name: "reporters", Caption: "Who sent reports", Empty: "No report is about these days.",
			Columns: []column{text("reporter", "Reporter"), number("reports", "Reports"), number("messages", "Messages"), number("pass", "Pass"), wideWhen("first", "First day"), when("last", "Last day")},
		}
		for i := range a.Groups {
			g := &a.Groups[i]
			last := day(g.Last)
			if old := lastDay(period).Sub(g.Last); old > lateDays*24*time.Hour && g.Reports > 1 {
				last.Small = "not since"
			}
			t.Rows = append(t.Rows, []cell{
				linked(g.Name, to("reports", "domain", period.Domain, "reporter", g.Name)), count(g.Reports), count(g.Messages), share(g.PassMessages, g.Messages), day(g.First), last,
			})
		}
		out.add(&part{ID: "reporters", Heading: "Reporters", Notes: more(a, "reporter", ""), Table: q.programs(t)})
	}
}

// more says that groups were left out.
func more(a *store.Answer, thing, all string) []note {
	if a.More == 0 {
		return nil
	}
	n := note{Text: fmt.Sprintf("Those with the most messages are shown: %s with %s are left out.", wording.Plural(a.More, thing), wording.Plural(a.MoreMessages, "message"))}
	if all != "" {
		n.Links = []link{{"All of them", all}}
	}
	return []note{n}
}
