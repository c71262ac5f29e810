package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

// domainsPerPage keeps the overview of hundreds of domains small and quick.
const domainsPerPage = 25

// domainSum is what the days of a domain come to.
type domainSum struct {
	name               string
	days               map[time.Time]amount
	reports            int64
	day1, day7, day30  amount
	last               time.Time
	verdict, published string
}

// overview is the first page.
func (p *Pages) overview(ctx context.Context, v *store.View, q *query) (*page, error) {
	q.days = usualDays
	period, err := q.period(ctx, v, "")
	if err != nil {
		return nil, err
	}
	out := &page{Title: "Overview", Active: "overview"}
	out.Facts = []fact{{Name: "What this is", Text: "dmarc_exporter: it reads DMARC, SMTP TLS and failure reports and counts them for Prometheus."}}
	if q.sight.all {
		metrics := fact{Name: "Metrics", Text: p.config.MetricsPath, Link: p.metrics()}
		if p.config.Apart {
			metrics.Text += " of --web.listen-address"
		}
		out.Facts = append(out.Facts, metrics)
	}
	if q.table == "sources" {
		if err := q.sight.hides("Sources"); err != nil {
			return nil, err
		}
	}
	if period.Until.IsZero() {
		out.Notes = p.noReports(q)
	} else {
		if old := int(q.now.Sub(lastDay(period)) / (24 * time.Hour)); old > lateDays && q.to.IsZero() {
			out.Notes = append(out.Notes, note{Class: "warn", Text: fmt.Sprintf("The last report is about %s, %s ago. Days are counted back from there.", wording.Day(lastDay(period)), wording.Plural(int64(old), "day"))})
		}
		if q.wants("domains") {
			one, err := p.domains(ctx, v, q, period, out)
			if err != nil {
				return nil, err
			}
			out.add(one)
		}
	}
	out.Notes = append(out.Notes, p.unreported(q)...)
	if q.to.IsZero() && q.wants("arrived") && p.config.Records != store.RecordsOff {
		one, err := p.arrived(ctx, v, q)
		if err != nil {
			return nil, err
		}
		out.add(one)
	}
	if q.sight.all {
		out.add(&part{ID: "sources", Heading: "Where reports come from", Table: p.sourcesTable(q)})
	}
	return out, nil
}

// lateDays is after how many days without a report a page says so.
const lateDays = 3

// metrics returns where the metrics are, as seen from every page.
func (p *Pages) metrics() string {
	if p.config.Apart {
		return ""
	}
	return "." + p.config.MetricsPath
}

// noReports says what to do when there are none.
func (p *Pages) noReports(q *query) []note {
	if p.config.Records == store.RecordsOff {
		return []note{{Text: "Reports are not kept, because of --records=off: pages can show the sources and nothing else. The metrics count all the same."}}
	}
	if !q.sight.all {
		return []note{{Text: "There is no report about these domains yet: " + strings.Join(q.sight.domains, ", ") + "."}}
	}
	n := note{Text: "There is no report yet. What helps:", Items: []string{
		"Look below whether every source works. A source that does not says why.",
		"Reporters send once a day. The first reports come a day or two after the DNS has a record such as v=DMARC1; p=none; rua=mailto:reports@example.com.",
		"To try it now, take a report that you have, as a file or as a mail with the file attached, and put it where a source reads: into the directory, or send the mail to the mailbox. It shows here when the source has read it.",
		"dmarc_exporter check FILE says whether a file can be read; dmarc_exporter check-config --connect FILE tries the sources of a configuration.",
	}}
	return []note{n}
}

// configured returns the domains of the configuration.
func (p *Pages) configured() map[string]bool {
	all := map[string]bool{}
	if p.config.Counts != nil {
		for _, d := range p.config.Counts().Domains {
			if d.Configured {
				all[d.Name] = true
			}
		}
	}
	return all
}

func order(first bool) int {
	if first {
		return 1
	}
	return 0
}

// unreported names configured domains that no report was ever counted about.
func (p *Pages) unreported(q *query) []note {
	if p.config.Counts == nil {
		return nil
	}
	const mostNamed = 20
	n := note{Text: "No report about these configured domains was ever counted. Is rua= in their DMARC record, and is the name spelt right?"}
	for _, d := range p.config.Counts().Domains {
		if d.Configured && d.LastEnd.IsZero() && q.sight.sees(d.Name) && len(n.Items) < mostNamed {
			n.Items = append(n.Items, d.Name)
		}
	}
	if len(n.Items) == 0 {
		return nil
	}
	return []note{n}
}

// domains is the table of domains.
func (p *Pages) domains(ctx context.Context, v *store.View, q *query, period store.Period, out *page) (*part, error) {
	byDay, err := store.AskDomainDays(ctx, v, period)
	if err != nil {
		return nil, err
	}
	all := sumDomains(byDay, lastDay(period))
	// Anybody may report about any domain: those of the configuration come first.
	configured := p.configured()
	slices.SortStableFunc(all, func(a, b *domainSum) int { return cmp.Compare(order(configured[b.name]), order(configured[a.name])) })
	skip, top := q.rows(domainsPerPage)
	shown := all[min(skip, len(all)):]
	shown = shown[:min(top, len(shown))]
	if len(shown) <= domainsPerPage {
		if err := p.decide(ctx, v, shown); err != nil {
			return nil, err
		}
	}
	t := &table{
		Name: "domains", Caption: fmt.Sprintf("Domains, with what was reported about %s", days(period)), Empty: "There is no report about these days.",
		Columns: []column{
			text("domain", "Domain"), number("messages_1d", "1 day"), number("pass_1d", "pass"), wideNumber("messages_7d", "7 days"), wideNumber("pass_7d", "pass"),
			number("messages_30d", "30 days"), number("pass_30d", "pass"), wide("days", "Pass and fail by day"), wide("policy", "Published policy"), text("ready_for", "Ready for"), wideWhen("last", "Last day"),
		},
	}
	for _, d := range shown {
		ready := linked(d.verdict, toDomain(d.name)+"#readiness")
		if d.verdict == "" {
			ready = cell{Text: "see domain", Value: "", Link: toDomain(d.name) + "#readiness"}
		}
		b := newBars(period, d.days, false)
		name := linked(d.name, toDomain(d.name))
		if len(configured) > 0 && !configured[d.name] {
			name.Small = "not configured"
		}
		t.Rows = append(t.Rows, []cell{
			name, count(d.day1.all()), share(d.day1.good, d.day1.all()), count(d.day7.all()), share(d.day7.good, d.day7.all()),
			count(d.day30.all()), share(d.day30.good, d.day30.all()),
			{Text: b.Label, Bars: b},
			word(d.published), ready, day(d.last),
		})
	}
	return &part{ID: "domains", Heading: "Domains", Table: q.paged(out, t, domainsPerPage, int64(len(all)))}, nil
}

func (a amount) all() int64 { return a.good + a.bad }

func (a *amount) add(good, all int64) {
	a.good += good
	a.bad += all - good
}

// sumDomains adds up days by domain, the domains with the most messages first.
func sumDomains(days []store.DomainDay, last time.Time) (all []*domainSum) {
	for i := range days {
		d := &days[i]
		if len(all) == 0 || all[len(all)-1].name != d.Domain {
			all = append(all, &domainSum{name: d.Domain, days: map[time.Time]amount{}})
		}
		sum := all[len(all)-1]
		sum.reports += d.Reports
		var one amount
		one.add(d.PassMessages, d.Messages)
		sum.days[d.Day], sum.last = one, d.Day
		const week = 7
		for to, within := range map[*amount]bool{&sum.day1: !d.Day.Before(last), &sum.day7: d.Day.After(last.AddDate(0, 0, -week)), &sum.day30: true} {
			if within {
				to.add(d.PassMessages, d.Messages)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *domainSum) int { return cmp.Compare(b.day30.all(), a.day30.all()) })
	return all
}

// sourcesTable is how the sources are doing.
func (p *Pages) sourcesTable(q *query) *table {
	t := &table{
		Name: "sources", Caption: "Sources that reports are read from, with the inputs that were counted and refused since the start", Empty: "No source has started yet.",
		Columns: []column{
			text("source", "Source"), text("up", "Works"), long("error", "What is wrong"), when("last_success", "Last input"), number("backlog", "Waiting"), number("counted", "Counted"), number("refused", "Refused"),
		},
	}
	var all []ingest.Source
	if p.config.Sources != nil {
		all = p.config.Sources()
	}
	before := map[string]time.Time{} // the start
	if p.config.Counts != nil {
		before = p.config.Counts().LastDelivery
	}
	for _, s := range all {
		is := s.Status()
		up, wrong := cell{Text: "yes", Class: "good"}, cell{}
		switch {
		case is.Err != nil:
			up, wrong = cell{Text: "no", Class: "bad"}, word(sentence(is.Err.Error()))
		case !is.Up:
			up = word("not yet")
		}
		var stats ingest.SourceStats
		if p.config.Stats != nil {
			stats = p.config.Stats(is.Name)
		}
		last := stats.LastSuccess
		if last.IsZero() {
			last = before[is.Name]
		}
		refused := count(int64(stats.Deliveries[ingest.ClassRefused]))
		if stats.Deliveries[ingest.ClassRefused] > 0 {
			refused.Link = to("refused", "source", is.Name)
		}
		t.Rows = append(t.Rows, []cell{
			word(is.Name), up, wrong, moment(last), count(int64(is.Backlog)), count(int64(stats.Deliveries[ingest.ClassCounted])), refused,
		})
	}
	slices.SortFunc(t.Rows, func(a, b []cell) int { return cmp.Compare(a[0].Text, b[0].Text) })
	return q.programs(t)
}
