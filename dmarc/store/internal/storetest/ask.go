package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// viewing runs f on what is committed.
func viewing(t testing.TB, w World, f func(v *store.View) error) {
	t.Helper()
	v, err := w.Engine.View(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f(v), v.Close()); err != nil {
		t.Fatal(err)
	}
}

// ask asks a question.
func ask(t testing.TB, w World, q store.Question) (a *store.Answer) {
	t.Helper()
	viewing(t, w, func(v *store.View) (err error) {
		a, err = store.Ask(context.Background(), v, q)
		return err
	})
	return a
}

// randomReports makes reports of few reporters about two domains and some days,
// with as many records as a rollup is made for.
func randomReports(t testing.TB, seed uint64, reports, records int) *store.Delivery {
	random := rand.New(rand.NewPCG(seed, 1))
	var texts []string
	for i := range reports {
		end := time.Date(2026, 11, 20+i%3, 23, 59, 59, 0, time.UTC)
		var all strings.Builder
		for range records {
			ok := []string{"pass", "fail"}
			dkim, spf, domain := ok[random.IntN(2)], ok[random.IntN(2)], fmt.Sprintf("d%d.example", random.IntN(3))
			signature := fmt.Sprintf("<dkim><domain>%s</domain><selector>s%d</selector><result>%s</result></dkim>", domain, random.IntN(2), ok[random.IntN(2)])
			fmt.Fprintf(&all, `<record><row><source_ip>192.0.2.%d</source_ip><count>%d</count><policy_evaluated><disposition>%s</disposition><dkim>%s</dkim><spf>%s</spf></policy_evaluated></row>`+
				`<identifiers><header_from>shop.example</header_from></identifiers><auth_results>%s</auth_results></record>`,
				random.IntN(20), 1+random.IntN(9), []string{"none", "reject"}[random.IntN(2)], dkim, spf, strings.Repeat(signature, 1+random.IntN(2)))
		}
		texts = append(texts, fmt.Sprintf(`<feedback><report_metadata><org_name>org%d</org_name><report_id>%d-%d</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>`+
			`<policy_published><domain>%s</domain><p>none</p></policy_published>%s</feedback>`, random.IntN(5), seed, i, end.Unix()-86399, end.Unix(), []string{"shop.example", "b.example"}[i%2], &all))
	}
	return Read(t, store.DraftConfig{}, unpack.KindAggregate, texts...)
}

// expected answers a question from the lines of an export.
func expected(lines []reportjson.Line, q store.Question) map[string]store.Group {
	all := map[string]store.Group{}
	orgs := map[string]map[string]bool{}
	for _, line := range lines {
		l := line.(*reportjson.Record)
		if q.Domain != "" && l.Head().Domain != q.Domain || q.Failing && l.Pass || !q.Since.IsZero() && l.End.Before(q.Since) || !q.Until.IsZero() && !l.End.Before(q.Until) {
			continue
		}
		add := func(name string, valid bool) {
			g := all[name]
			g.Name = name
			g.Messages += l.Count
			if l.Pass {
				g.PassMessages += l.Count
			}
			if l.DKIM == dmarc.EvaluationPass {
				g.DKIMMessages += l.Count
			}
			if l.SPF == dmarc.EvaluationPass {
				g.SPFMessages += l.Count
			}
			if valid {
				g.ValidMessages += l.Count
			}
			if orgs[name] == nil {
				orgs[name] = map[string]bool{}
			}
			orgs[name][l.Org] = true
			g.Reporters = int64(len(orgs[name]))
			all[name] = g
		}
		switch q.By {
		case store.BySource:
			add(l.SourceIP, false)
		case store.ByDisposition:
			add(string(l.Disposition), false)
		case store.BySelector:
			keys := map[string]bool{}
			for _, a := range l.AuthDKIM {
				name := a.Selector + "._domainkey." + a.Domain
				keys[name] = keys[name] || a.Result == dmarc.AuthResultPass
			}
			for name, valid := range keys {
				add(name, valid)
			}
		case store.ByDay:
			add(l.End.Format(time.DateOnly), false)
		case store.ByDomain:
			add(l.Head().Domain, false)
		case store.ByReporter:
			add(l.Org, false)
		case store.BySender:
			switch {
			case l.Pass, l.AuthDKIM[0].Result == dmarc.AuthResultPass:
				add(store.SenderOwn, false)
			default:
				add(store.SenderUnauthenticated, false)
			}
		}
	}
	return all
}

// holdAnswers holds answers to what the lines of an export come to.
func holdAnswers(t *testing.T, w World) {
	t.Helper()
	lines := export(t, w, store.Filter{})
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	viewing(t, w, func(v *store.View) error {
		for _, by := range []store.By{store.BySource, store.ByDisposition, store.BySelector, store.ByDay, store.ByDomain, store.ByReporter} {
			for i, period := range []store.Period{{}, {Until: day, Domain: "b.example"}, {Since: day, Until: day.AddDate(0, 0, 1)}} {
				q := store.Question{By: by, Period: period, Failing: i > 0}
				a, err := store.Ask(t.Context(), v, q)
				if err != nil {
					return err
				}
				holdAnswer(t, q, a, expected(lines, q))
			}
		}
		return holdEach(t, v)
	})
}

// holdEach asks several questions at once, which come to what each does alone, and
// the classes of days to all their messages.
func holdEach(t *testing.T, v *store.View) error {
	t.Helper()
	period := store.Period{Domain: "b.example", Since: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)}
	questions := []store.Question{
		{By: store.ByDay, Classes: true}, {By: store.BySource, Failing: true, Top: 5}, {By: store.BySender}, {By: store.ByReporter}, {By: store.BySelector}, {By: store.ByDisposition, Failing: true},
	}
	questions[0].Period = period
	got, err := store.AskEach(t.Context(), v, questions...)
	if err != nil {
		return err
	}
	for i, q := range questions {
		q.Period, q.Classes = period, false
		want, err := store.Ask(t.Context(), v, q)
		if err != nil {
			return err
		}
		for j := range got[i].Groups {
			g := &got[i].Groups[j]
			if q.By != store.ByDay {
				continue
			}
			all := int64(0)
			for class, n := range g.Classes {
				if all += n; class.Aligned() && n > g.PassMessages {
					t.Errorf("%d messages of %s on %s, where %d pass", n, class, g.Name, g.PassMessages)
				}
			}
			if all != g.Messages || len(g.Classes) < 2 {
				t.Errorf("%s: classes %v, want %d messages", g.Name, g.Classes, g.Messages)
			}
			g.Classes = nil
		}
		if diff := gocmp.Diff(want, got[i]); diff != "" {
			t.Errorf("%+v (-alone +with others):\n%s", q, diff)
		}
	}
	return nil
}

func holdAnswer(t *testing.T, q store.Question, a *store.Answer, want map[string]store.Group) {
	t.Helper()
	got := map[string]store.Group{}
	for _, g := range a.Groups {
		got[g.Name] = store.Group{
			Name: g.Name, Messages: g.Messages, PassMessages: g.PassMessages, DKIMMessages: g.DKIMMessages, SPFMessages: g.SPFMessages,
			ValidMessages: g.ValidMessages, Reporters: g.Reporters,
		}
	}
	switch q.By {
	case store.ByDay, store.ByDomain, store.ByReporter: // by the reports alone
		for name, g := range want {
			g.DKIMMessages, g.SPFMessages, g.Reporters = 0, 0, got[name].Reporters
			want[name] = g
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("%+v (-want +got):\n%s", q, diff)
	}
	if !slices.IsSortedFunc(a.Groups, func(a, b store.Group) int { return cmp.Compare(b.Messages, a.Messages) }) && q.By != store.ByDay {
		t.Errorf("%+v: not in the order of messages", q)
	}
}

// testAsk answers questions from records, from rollups, and from both.
func testAsk(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	rollups := func() string { return w.Query(t, "SELECT count(*) FROM rollups")[0][0] }
	Commit(t, s, randomReports(t, 1, 10, 30))
	if got := rollups(); got != "0" {
		t.Errorf("%s rollups of few records", got)
	}
	holdAnswers(t, w)
	// Few are rolled up when they are an hour old.
	if err := s.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := rollups(); got != "6" {
		t.Errorf("%s rollups after an hour, want one for each domain and day", got)
	}
	holdAnswers(t, w)
	Commit(t, s, randomReports(t, 2, 60, 80))
	if err := s.RollUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := rollups(); got != "6" {
		t.Errorf("%s rollups, want one for each domain and day", got)
	}
	holdAnswers(t, w)
	Commit(t, s, randomReports(t, 9, 10, 30))
	holdAnswers(t, w)
	for range 2 { // once with something to add, once with nothing
		if err := s.RollUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	holdAnswers(t, w)
	a := ask(t, w, store.Question{By: store.BySource, Top: 3})
	left := int64(0)
	for _, g := range ask(t, w, store.Question{By: store.BySource}).Groups[3:] {
		left += g.Messages
	}
	if len(a.Groups) != 3 || a.More != 17 || a.MoreMessages != left || a.Reports != 80 || a.Reporters != 5 {
		t.Errorf("answer %+v, want %d messages more", a, left)
	}
	if got := ask(t, w, store.Question{By: store.BySource, Period: store.Period{Domain: "none.example"}}); len(got.Groups) != 0 || got.Reports != 0 {
		t.Errorf("answer %+v about a domain without reports", got)
	}
}

// testAskPeriod counts messages on the day that they were sent, whenever their
// report ends.
func testAskPeriod(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	for i, p := range [][2]time.Time{
		{time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC)},
		{time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)},
		{time.Date(2026, 11, 20, 5, 0, 0, 0, time.UTC), time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC)},
		{time.Date(2026, 11, 19, 20, 0, 0, 0, time.UTC), time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC)},
		{time.Date(2026, 11, 17, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)},
	} {
		text := fmt.Sprintf(`<feedback><report_metadata><org_name>a</org_name><report_id>%d</report_id><date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>`+
			`<policy_published><domain>shop.example</domain><p>none</p></policy_published>%s</feedback>`, i, p[0].Unix(), p[1].Unix(), Record("192.0.2.1", 1, "fail", "fail", ""))
		Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate, text))
	}
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	a := ask(t, w, store.Question{By: store.BySource, Period: store.Period{Since: day, Until: day.AddDate(0, 0, 1)}})
	if len(a.Groups) != 1 || a.Groups[0].Messages != 5 || !a.First.Equal(day) || !a.Last.Equal(day) {
		t.Errorf("answer %+v, want all messages on one day", a)
	}
}

// testPlans holds that no question about a domain or a report, and none that pages
// ask about all domains, reads all records.
func testPlans(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	for i := range 2 {
		Commit(t, s, BenchDelivery(t, store.RecordsAll, i*500, 500))
	}
	Commit(t, s, randomReports(t, 2, 20, 300))
	if err := s.RollUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	Close(t, s)
	w.Alter(t, "ANALYZE")
	plans := 0
	ctx := store.WithTrace(t.Context(), func(query string, args []any) {
		for i := len(args) - 1; i >= 0; i-- {
			value := fmt.Sprint(args[i])
			if text, ok := args[i].(string); ok {
				value = "'" + strings.ReplaceAll(text, "'", "''") + "'"
			}
			query = strings.ReplaceAll(query, fmt.Sprintf("$%d", i+1), value)
		}
		plans++
		if plan := w.Plan(t, query); strings.Contains(plan, w.Scan) {
			t.Errorf("all records are read by\n%s\n%s", query, plan)
		}
	})
	since := Now.AddDate(0, 0, -10)
	questions := func(v *store.View) error {
		var errs []error
		for _, domain := range []string{"d3.example", "shop.example"} {
			for _, by := range []store.By{store.BySource, store.BySender, store.BySelector, store.ByDisposition, store.ByDay, store.ByReporter} {
				_, err := store.Ask(ctx, v, store.Question{By: by, Period: store.Period{Domain: domain, Since: since}, Failing: true, Top: 20})
				errs = append(errs, err)
			}
			_, err := store.AskReadiness(ctx, v, domain, time.Time{})
			_, e := store.AskSource(ctx, v, "192.0.2.7", store.Period{Domain: domain, Since: since, Until: Now}, 10)
			errs = append(errs, err, e)
		}
		for _, id := range []string{"17", "3-none", "12"} {
			_, err := store.Find(ctx, v, id, func(reportjson.Line) error { return nil })
			errs = append(errs, err)
		}
		month := store.Period{Since: since, Until: Now}
		_, err := store.AskDomainDays(ctx, v, month)
		_, e := store.AskLastDay(ctx, v, unpack.KindAggregate, "d3.example")
		errs = append(errs, err, e)
		_, err = store.AskLastEnd(ctx, v, store.ReportQuestion{Org: "org3"})
		_, e = store.AskArrived(ctx, v, since)
		errs = append(errs, err, e)
		reports, _, err := store.AskReports(ctx, v, store.ReportQuestion{Domain: "d3.example", Failing: true, Top: 1})
		for i := range reports {
			_, e := store.AskReport(ctx, v, reports[i].ReportKey)
			errs = append(errs, e, store.ReportLines(ctx, v, reports[i].ReportKey, func(reportjson.Line) error { return nil }))
		}
		_, e = store.Ask(ctx, v, store.Question{By: store.BySource, Period: month, Failing: true, Top: 20})
		return errors.Join(append(errs, err, e)...)
	}
	viewing(t, w, questions)
	viewing(t, w, func(v *store.View) error {
		only, err := v.Only(ctx, []string{"d3.example", "shop.example"})
		if err != nil {
			return err
		}
		return questions(only)
	})
	if plans < 40 {
		t.Errorf("only %d queries", plans)
	}
}

// testFind finds reports by the id of their reporter and by their number.
func testFind(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	fillAllKinds(t, s)
	for id, want := range map[string][]string{
		"1": {"aggregate 1 7", "aggregate 1 2"}, "t1": {"tls t1 5"}, "f1@mail.example": {"failure f1@mail.example 1"}, "none": nil, "99": nil,
		"2": {"aggregate 2 4"},
	} {
		var got []string
		viewing(t, w, func(v *store.View) error {
			n, err := store.Find(t.Context(), v, id, func(l reportjson.Line) error {
				got = append(got, describeLine(l))
				return nil
			})
			if (n == 0) != (want == nil) {
				t.Errorf("%s: %d reports", id, n)
			}
			return err
		})
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
	s2 := Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("an id", 0, Record("192.0.2.7", 3, "pass", "fail", auth)))
	Commit(t, s, s2)
	number := w.Query(t, "SELECT id FROM reports WHERE report_id = 'an id'")[0][0]
	viewing(t, w, func(v *store.View) error {
		n, err := store.Find(t.Context(), v, number, func(l reportjson.Line) error {
			if l.Head().ReportID != "an id" {
				t.Errorf("found %q", l.Head().ReportID)
			}
			return nil
		})
		if n != 1 {
			t.Errorf("%d reports with number %s", n, number)
		}
		return err
	})
}
