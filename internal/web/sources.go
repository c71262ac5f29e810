package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/wording"
)

const rowsPerPage = 50

// sources is who sends, by address.
func (p *Pages) sources(ctx context.Context, v *store.View, q *query) (*page, error) {
	domain := q.get("domain")
	period, err := q.period(ctx, v, domain)
	if err != nil {
		return nil, err
	}
	out := &page{Title: "Sources", Active: "sources"}
	out.Filter = &filter{Action: "sources", Fields: append([]field{q.input("domain", "Domain"), q.input("sender", "Sender")}, q.periodFields()...)}
	out.Filter.Fields = append(out.Filter.Fields, q.choice("failing", "Messages", option{Value: "", Text: "all"}, option{Value: "1", Text: "that fail DMARC"}))
	order := store.Order(q.get("sort"))
	out.Filter.Hidden = []fact{{Name: "sort", Text: string(order)}}
	if period.Until.IsZero() {
		out.Notes = p.noneAbout(q, domain)
	}
	skip, top := q.rows(rowsPerPage)
	a, err := p.ask(ctx, v, store.Question{
		Period: period, By: store.BySource, Failing: q.get("failing") != "", Sender: q.get("sender"), Order: order, Skip: skip, Top: top, Brief: true,
	})
	if err != nil {
		return nil, err
	}
	t := sourcesTable(q, a.Groups, domain)
	t.Caption = "Addresses that messages came from, " + days(period)
	for i := range t.Columns {
		c := &t.Columns[i]
		by, ok := map[string]store.Order{
			"source": store.OrderName, "messages": store.OrderMessages, "failing_messages": store.OrderFailing, "first": store.OrderFirst, "last": store.OrderLast,
		}[c.Key]
		if !ok || q.get("failing") != "" && by == store.OrderFailing {
			continue
		}
		c.Sort = q.with(formHTML, "sort", string(by))
		if by == cmp.Or(order, store.OrderMessages) {
			c.Sorted = map[bool]string{true: "ascending", false: "descending"}[by == store.OrderName]
		}
	}
	out.Notes = append(out.Notes, notKept(&a.Covered)...)
	out.add(&part{ID: "sources", Heading: wording.Plural(a.Found, "source"), Table: q.paged(out, t, rowsPerPage, a.Found)})
	return out, nil
}

// ask asks, unless there is nothing to be asked about.
func (p *Pages) ask(ctx context.Context, v *store.View, q store.Question) (*store.Answer, error) {
	if q.Until.IsZero() {
		return &store.Answer{}, nil
	}
	return store.Ask(ctx, v, q)
}

// noneAbout says that there is no report.
func (p *Pages) noneAbout(q *query, domain string) []note {
	if domain == "" {
		return p.noReports(q)
	}
	return []note{{Text: fmt.Sprintf("There is no report about %s. Is the name right, and does rua= of its DMARC record lead to a mailbox that is read here?", domain), Links: []link{{"All domains", "./"}}}}
}

// notKept says that records are missing from an answer.
func notKept(c *store.Covered) []note {
	if c.Kept >= c.Records {
		return nil
	}
	return []note{{Text: fmt.Sprintf("Of %s records %s are kept, because of --records: only those are counted by source and sender.", wording.Grouped(c.Records), wording.Grouped(c.Kept))}}
}

// sourcesTable is a table of addresses.
func sourcesTable(q *query, groups []store.Group, domain string) *table {
	failing := q.get("failing") != ""
	t := &table{
		Name: "sources", Caption: "Addresses that messages came from", Empty: "No messages in these days fit the filter.",
		Columns: []column{
			text("source", "Address"), number("messages", "Messages"), number("failing_messages", "Fail"), number("pass", "Pass"), text("sender", "Sender"),
			wideNumber("dkim", "DKIM aligned"), wideNumber("spf", "SPF aligned"), wide("why", "Why they fail"), wideNumber("reporters", "Reporters"), wideWhen("first", "First seen"), when("last", "Last seen"),
		},
	}
	t.fill(len(groups), q.table != "", func(i int) []cell {
		g := &groups[i]
		address := linked(g.Name, q.sameDays("source", "address", g.Name, "domain", domain))
		address.Small = cmp.Or(g.Host, strings.TrimSpace(g.ASName+" "+g.Country))
		why := ""
		if failing || g.PassMessages < g.Messages {
			why = wording.WhyFailing(g)
		}
		bad := count(g.Messages - g.PassMessages)
		if g.Messages > g.PassMessages {
			bad.Class = "bad"
		}
		return []cell{
			address, count(g.Messages), bad, share(g.PassMessages, g.Messages), linked(g.Sender, q.sameDays("sources", "sender", g.Sender, "domain", domain, "failing", q.get("failing"))),
			share(g.DKIMMessages, g.Messages), share(g.SPFMessages, g.Messages), word(why), count(g.Reporters), day(g.First), day(g.Last),
		}
	})
	return t
}

// mostRecords bounds what is read of one address.
const mostRecords = 20_000

// source is one address.
func (p *Pages) source(ctx context.Context, v *store.View, q *query) (*page, error) {
	name, domain := q.get("address"), q.get("domain")
	if name == "" {
		return nil, badQuery("The address of the source is missing: choose one of the sources.")
	}
	period, err := q.period(ctx, v, domain)
	if err != nil {
		return nil, err
	}
	a, err := store.AskSource(ctx, v, name, period, mostRecords)
	if err != nil {
		return nil, err
	}
	out := &page{Title: name, Active: "sources", Trail: []link{{"Sources", q.sameDays("sources", "domain", domain)}}}
	out.Filter = &filter{Action: "source", Fields: append([]field{q.input("domain", "Domain")}, q.periodFields()...), Hidden: []fact{{Name: "address", Text: name}}}
	if len(a.Records) == 0 && !q.sight.all {
		a = &store.SourceAnswer{} // Who sends to others is theirs.
	}
	network := strings.TrimSpace(a.ASName + " " + a.Country)
	if a.ASN != 0 {
		network = strings.TrimSpace(fmt.Sprintf("AS%d %s", a.ASN, network))
	}
	out.Facts = []fact{{Name: "Sender", Text: a.Sender}, {Name: "Host", Text: a.Host}, {Name: "Network", Text: network}, {Name: "Days", Text: days(period)}}
	if len(a.Records) == 0 {
		out.Notes = []note{{Text: "No record of these days is about the address. Ask about more days, or about all domains.", Links: []link{{"All days and domains", to("source", "address", name, "days", "400")}}}}
	}
	if a.More {
		out.Notes = append(out.Notes, note{Class: "warn", Text: fmt.Sprintf("There are more records than %s in these days, and only the newest are shown. Ask about fewer days.", wording.Grouped(mostRecords))})
	}
	byDay, chart := sourceDays(a.Records, period)
	if chart != nil {
		out.add(&part{ID: "chart", Heading: "Pass and fail by day", Bars: chart})
	}
	out.add(&part{ID: "selectors", Heading: "DKIM domains and selectors", Table: q.programs(signatures(a.Records))})
	skip, top := q.rows(rowsPerPage)
	shown := a.Records[min(skip, len(a.Records)):]
	shown = shown[:min(top, len(shown))]
	out.add(&part{ID: "records", Heading: "Records", Table: q.paged(out, sourceRecords(q, shown), rowsPerPage, int64(len(a.Records)))})
	out.add(&part{ID: "days", Heading: "Days", Notes: q.short(byDay, mostDays), Table: q.programs(byDay)})
	return out, nil
}

// sourceRecords is a table of records of an address.
func sourceRecords(q *query, records []store.SourceRecord) *table {
	t := &table{
		Name: "records", Caption: "Records, the newest first", Empty: "There is no record.",
		Columns: []column{
			when("day", "Day"), text("reporter", "Reporter"), text("domain", "Domain"), number("messages", "Messages"), text("disposition", "Done"), text("dkim", "DKIM"), text("spf", "SPF"),
			wide("header_from", "From"), long("results", "Results"), text("report", "Report"),
		},
	}
	t.fill(len(records), q.table != "", func(i int) []cell {
		r := &records[i]
		return []cell{
			day(r.Day), word(r.Org), linked(r.Domain, q.sameDays("domain", "name", r.Domain)), count(r.Messages), word(string(r.Disposition)),
			verdict(r.DKIM == dmarc.EvaluationPass), verdict(r.SPF == dmarc.EvaluationPass), word(r.HeaderFrom), word(results(r.AuthDKIM, r.AuthSPF, r.Reasons)),
			{Text: "open", Value: keyText(r.Report), Link: toReport(r.Report)},
		}
	})
	return t
}

// results are the results of a record in a line.
func results(dkim []reportjson.DKIM, spf []reportjson.SPF, reasons []reportjson.Reason) string {
	var all []string
	for _, a := range dkim {
		all = append(all, "dkim="+string(a.Result)+" "+selector(a.Selector, a.Domain))
	}
	for _, a := range spf {
		all = append(all, "spf="+string(a.Result)+" "+a.Domain)
	}
	for _, r := range reasons {
		all = append(all, "reason="+strings.TrimSpace(r.Type+" "+r.Comment))
	}
	return strings.Join(all, "; ")
}

// selector is the name of a key.
func selector(name, domain string) string {
	if name == "" {
		return domain
	}
	return name + "._domainkey." + domain
}

// sourceDays adds up the days of an address.
func sourceDays(records []store.SourceRecord, p store.Period) (*table, *bars) {
	sums := map[time.Time]amount{}
	reporters := map[time.Time]map[string]bool{}
	for i := range records {
		r := &records[i]
		sum := sums[r.Day]
		good := int64(0)
		if r.DKIM == dmarc.EvaluationPass || r.SPF == dmarc.EvaluationPass {
			good = r.Messages
		}
		sum.add(good, r.Messages)
		sums[r.Day] = sum
		if reporters[r.Day] == nil {
			reporters[r.Day] = map[string]bool{}
		}
		reporters[r.Day][r.Org] = true
	}
	t := &table{
		Name: "days", Caption: "Messages of the address by day", Empty: "There are no messages.",
		Columns: []column{when("day", "Day"), number("messages", "Messages"), number("pass", "Pass"), number("reporters", "Reporters")},
	}
	for _, at := range slices.SortedFunc(maps.Keys(sums), func(a, b time.Time) int { return b.Compare(a) }) {
		sum := sums[at]
		t.Rows = append(t.Rows, []cell{day(at), count(sum.all()), share(sum.good, sum.all()), count(int64(len(reporters[at])))})
	}
	if len(sums) == 0 {
		return t, nil
	}
	return t, newBars(p, sums, true)
}

// signatures adds up the DKIM signatures of an address.
func signatures(records []store.SourceRecord) *table {
	type sum struct{ all, valid int64 }
	sums := map[[2]string]sum{}
	for i := range records {
		keys := map[[2]string]bool{} // A message that was signed twice with a key is one.
		for _, a := range records[i].AuthDKIM {
			key := [2]string{a.Domain, a.Selector}
			keys[key] = keys[key] || a.Result == dmarc.AuthResultPass
		}
		for key, valid := range keys {
			one := sums[key]
			one.all += records[i].Messages
			if valid {
				one.valid += records[i].Messages
			}
			sums[key] = one
		}
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(sums[b].all, sums[a].all), cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	t := &table{
		Name: "selectors", Caption: "DKIM signatures of the messages", Empty: "No message was signed.",
		Columns: []column{text("domain", "Domain"), text("selector", "Selector"), number("messages", "Messages"), number("valid", "Valid")},
	}
	const most = 100
	for _, key := range keys[:min(len(keys), most)] {
		t.Rows = append(t.Rows, []cell{word(key[0]), word(key[1]), count(sums[key].all), share(sums[key].valid, sums[key].all)})
	}
	return t
}

// keyText names where a report is kept.
func keyText(k store.ReportKey) string { return wording.Day(k.Day) + "/" + strconv.FormatInt(k.ID, 10) }

func toReport(k store.ReportKey) string {
	return to("report", "day", wording.Day(k.Day), "id", strconv.FormatInt(k.ID, 10))
}
