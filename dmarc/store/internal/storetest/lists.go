package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// testLists holds lists of reports, days and addresses to an export.
func testLists(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	Commit(t, s, randomReports(t, 3, 40, 20))
	lines := export(t, w, store.Filter{})
	viewing(t, w, func(v *store.View) error {
		ctx := t.Context()
		all, found, err := store.AskReports(ctx, v, store.ReportQuestion{})
		if err != nil {
			return err
		}
		if len(all) != 40 || found != 40 || !slices.IsSortedFunc(all, func(a, b store.ReportInfo) int { return b.Day.Compare(a.Day) }) {
			t.Errorf("%d of %d reports, want 40 with the last day first", len(all), found)
		}
		some, found, err := store.AskReports(ctx, v, store.ReportQuestion{
			Kind: unpack.KindAggregate, Domain: "B.example.", Org: "org1", Since: all[39].Day, Until: all[0].Day.AddDate(0, 0, 1), Failing: true, Skip: 1, Top: 2,
		})
		if err != nil {
			return err
		}
		if len(some) != int(min(max(found-1, 0), 2)) || found == 0 || slices.ContainsFunc(some, func(r store.ReportInfo) bool { return r.Domain != "b.example" || r.Org != "org1" }) {
			t.Errorf("%d reports %+v", found, some)
		}
		holdHeads(t, v, all, lines)
		holdDays(t, v, lines)
		return holdSource(t, v, lines)
	})
}

// holdHeads holds the heads and lines of reports to an export.
func holdHeads(t *testing.T, v *store.View, all []store.ReportInfo, lines []reportjson.Line) {
	t.Helper()
	ofReport := map[string][]reportjson.Line{}
	for _, l := range lines {
		ofReport[l.Head().ReportID] = append(ofReport[l.Head().ReportID], l)
	}
	for i := range all {
		r := &all[i]
		head, err := store.AskReport(t.Context(), v, r.ReportKey)
		if err != nil || head == nil {
			t.Fatalf("report %+v: %v, %v", r.ReportKey, head, err)
		}
		if diff := gocmp.Diff(*r, head.ReportInfo); diff != "" || head.Published.P != dmarc.DispositionNone {
			t.Errorf("head %+v (-list +head):\n%s", head, diff)
		}
		var got []reportjson.Line
		if err := store.ReportLines(t.Context(), v, r.ReportKey, func(l reportjson.Line) error {
			got = append(got, l)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(ofReport[r.ReportID], got); diff != "" {
			t.Errorf("lines (-export +report):\n%s", diff)
		}
	}
	if head, err := store.AskReport(t.Context(), v, store.ReportKey{Day: all[0].Day.AddDate(1, 0, 0), ID: all[0].ID}); err != nil || head != nil {
		t.Errorf("a report of another day: %v, %v", head, err)
	}
}

// holdDays holds the days of domains to an export.
func holdDays(t *testing.T, v *store.View, lines []reportjson.Line) {
	t.Helper()
	want := map[string][2]int64{}
	for _, line := range lines {
		l := line.(*reportjson.Record)
		key := l.Head().Domain + " " + l.End.Format(time.DateOnly)
		sum := want[key]
		sum[0] += l.Count
		if l.Pass {
			sum[1] += l.Count
		}
		want[key] = sum
	}
	last := time.Time{}
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, p := range []store.Period{{}, {Since: day}, {Until: day}, {Since: day, Until: day.AddDate(0, 0, 1), Domain: "b.example"}} {
		days, err := store.AskDomainDays(t.Context(), v, p)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][2]int64{}
		for _, d := range days {
			got[d.Domain+" "+d.Day.Format(time.DateOnly)] = [2]int64{d.Messages, d.PassMessages}
			if d.Day.After(last) {
				last = d.Day
			}
		}
		of := maps.Clone(want)
		maps.DeleteFunc(of, func(key string, _ [2]int64) bool {
			domain, on, _ := strings.Cut(key, " ")
			return p.Domain != "" && domain != p.Domain || !p.Since.IsZero() && on < p.Since.Format(time.DateOnly) || !p.Until.IsZero() && on >= p.Until.Format(time.DateOnly)
		})
		if diff := gocmp.Diff(of, got); diff != "" || len(of) == 0 {
			t.Errorf("days of %+v (-export +days):\n%s", p, diff)
		}
	}
	for domain, want := range map[string]time.Time{"": last, "b.example": last, "none.example": {}} {
		if at, err := store.AskLastDay(t.Context(), v, unpack.KindAggregate, domain); err != nil || !at.Equal(want) {
			t.Errorf("last day of %q: %v, %v, want %v", domain, at, err, want)
		}
		q := store.ReportQuestion{Kind: unpack.KindAggregate, Domain: domain, Top: 1}
		reports, _, err := store.AskReports(t.Context(), v, q)
		if err != nil {
			t.Fatal(err)
		}
		end := time.Time{}
		for i := range reports {
			end = reports[i].Day
		}
		if at, err := store.AskLastEnd(t.Context(), v, q); err != nil || !at.Equal(end) || at.IsZero() != want.IsZero() {
			t.Errorf("last end of %q: %v, %v, want %v", domain, at, err, end)
		}
	}
}

// holdSource holds an address to an export, and the orders of addresses.
func holdSource(t *testing.T, v *store.View, lines []reportjson.Line) error {
	t.Helper()
	const address = "192.0.2.7"
	total := func(lines []reportjson.Line) map[string]int64 {
		sums := map[string]int64{}
		for _, line := range lines {
			if l := line.(*reportjson.Record); l.SourceIP == address && l.Head().Domain == "b.example" {
				sums[fmt.Sprint(l.ReportID, l.Disposition, l.DKIM, l.SPF, l.AuthDKIM)] += l.Count
			}
		}
		return sums
	}
	ids := map[store.ReportKey]string{}
	all, _, err := store.AskReports(t.Context(), v, store.ReportQuestion{})
	if err != nil {
		return err
	}
	for i := range all {
		ids[all[i].ReportKey] = all[i].ReportID
	}
	period := store.Period{Domain: "b.example", Since: all[len(all)-1].Day.AddDate(0, 0, -1), Until: all[0].Day.AddDate(0, 0, 1)}
	a, err := store.AskSource(t.Context(), v, address, period, 1000)
	if err != nil {
		return err
	}
	got := map[string]int64{}
	for i := range a.Records {
		r := &a.Records[i]
		got[fmt.Sprint(ids[r.Report], r.Disposition, r.DKIM, r.SPF, r.AuthDKIM)] += r.Messages
	}
	if diff := gocmp.Diff(total(lines), got); diff != "" || a.More || a.Sender == "" {
		t.Errorf("sender %q, more %t (-export +source):\n%s", a.Sender, a.More, diff)
	}
	if few, err := store.AskSource(t.Context(), v, address, period, 2); err != nil || !few.More || len(few.Records) != 2 {
		t.Errorf("two records: %+v, %v", few, err)
	}
	if none, err := store.AskSource(t.Context(), v, "192.0.2.77' OR 1=1", period, 2); err != nil || len(none.Records) != 0 {
		t.Errorf("no address: %+v, %v", none, err)
	}
	for order, less := range map[store.Order]func(a, b store.Group) bool{
		store.OrderFailing: func(a, b store.Group) bool { return a.Messages-a.PassMessages < b.Messages-b.PassMessages },
		store.OrderLast:    func(a, b store.Group) bool { return a.Last.Before(b.Last) },
		store.OrderFirst:   func(a, b store.Group) bool { return a.First.Before(b.First) },
		store.OrderName:    func(a, b store.Group) bool { return len(a.Name) > len(b.Name) },
	} {
		var groups []store.Group
		for skip := 0; skip < 20; skip += 7 {
			a, err := store.Ask(t.Context(), v, store.Question{By: store.BySource, Order: order, Skip: skip, Top: 7})
			if err != nil {
				return err
			}
			if a.Found != 20 || a.More != int64(20-skip-len(a.Groups)) {
				t.Errorf("%d found, %d more behind %d, want 20 in all", a.Found, a.More, skip)
			}
			groups = append(groups, a.Groups...)
		}
		for i := 1; i < len(groups); i++ {
			if less(groups[i-1], groups[i]) {
				t.Errorf("by %s, %+v stands before %+v", order, groups[i-1], groups[i])
			}
		}
		if len(groups) != 20 {
			t.Errorf("%d addresses by %s, want 20", len(groups), order)
		}
	}
	sender, err := store.Ask(t.Context(), v, store.Question{By: store.BySource, Sender: store.SenderUnauthenticated})
	if err == nil && (len(sender.Groups) == 20 || slices.ContainsFunc(sender.Groups, func(g store.Group) bool { return g.Sender != store.SenderUnauthenticated })) {
		t.Errorf("of one sender: %+v", sender.Groups)
	}
	return err
}

// testOtherLists lists what is not about aggregate reports.
func testOtherLists(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	fillAllKinds(t, s)
	date := Now.AddDate(0, 0, -1)
	Commit(t, s, &store.Delivery{Source: "imap:a", Refused: []store.Refusal{
		{Reason: dmarc.ReasonSyntax, Input: "1", Message: "broken", Date: date, From: "a@b.example", Subject: "'subject'"}, {Reason: dmarc.ReasonEmpty, Input: "2"},
	}})
	viewing(t, w, func(v *store.View) error {
		ctx := t.Context()
		refused, found, err := store.AskRefusals(ctx, v, store.RefusalQuestion{Source: "imap:a", Top: 10})
		if err != nil {
			return err
		}
		want := []store.KeptRefusal{
			{Refusal: store.Refusal{Reason: dmarc.ReasonEmpty, Input: "2"}, At: Now, Source: "imap:a"},
			{Refusal: store.Refusal{Reason: dmarc.ReasonSyntax, Input: "1", Message: "broken", Date: date, From: "a@b.example", Subject: "'subject'"}, At: Now, Source: "imap:a"},
		}
		if diff := gocmp.Diff(want, refused); diff != "" || found != 2 {
			t.Errorf("%d refusals (-want +got):\n%s", found, diff)
		}
		one, found, err := store.AskRefusals(ctx, v, store.RefusalQuestion{Reason: dmarc.ReasonSyntax, Source: "imap:a", Skip: 0, Top: 1})
		if err != nil || found != 1 || len(one) != 1 || one[0].Input != "1" {
			t.Errorf("%d refusals for a reason: %+v, %v", found, one, err)
		}
		if reasons, err := store.AskReasons(ctx, v); err != nil || reasons[dmarc.ReasonEmpty] < 1 {
			t.Errorf("reasons %v, %v", reasons, err)
		}
		holdArrived(t, v)
		failures, found, err := store.AskFailures(ctx, v, store.ReportQuestion{Domain: "shop.example", Top: 5})
		if err != nil || found != 1 || len(failures) != 1 || failures[0].ReportID != "f1@mail.example" || failures[0].Day.IsZero() {
			t.Errorf("%d failures: %+v, %v", found, failures, err)
		}
		answer, err := store.AskTLS(ctx, v, store.Period{Since: Now.AddDate(0, 0, -9), Until: Now})
		if err != nil {
			return err
		}
		sum := func(of func(*store.TLSPolicy) int64) (n int64) {
			for i := range answer.Policies {
				n = tally.Add(n, of(&answer.Policies[i]))
			}
			return n
		}
		rows := w.Query(t, "SELECT sum(successful_session_count), sum(failed_session_count), (SELECT sum(failure_count) FROM tls_failure_summaries) FROM tls_reports")[0]
		details := int64(0)
		for _, f := range answer.Failures {
			details += f.Failed
		}
		got := []string{fmt.Sprint(sum(func(p *store.TLSPolicy) int64 { return p.Successful })), fmt.Sprint(sum(func(p *store.TLSPolicy) int64 { return p.Failed })), fmt.Sprint(details)}
		if diff := gocmp.Diff(rows, got); diff != "" || len(answer.Days) != 1 {
			t.Errorf("TLS %+v (-view +answer):\n%s", answer, diff)
		}
		other, err := store.AskTLS(ctx, v, store.Period{Domain: "none.example"})
		if err != nil || len(other.Policies)+len(other.Days)+len(other.Failures) != 0 {
			t.Errorf("of another domain: %+v, %v", other, err)
		}
		return nil
	})
}

// holdArrived tells what came when: all of it now.
func holdArrived(t *testing.T, v *store.View) {
	t.Helper()
	got, err := store.AskArrived(t.Context(), v, Now.Add(-time.Hour), Now, Now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	want := map[unpack.Kind]int64{}
	for _, kind := range []unpack.Kind{unpack.KindAggregate, unpack.KindTLS, unpack.KindFailure} {
		list, _, err := store.AskReports(t.Context(), v, store.ReportQuestion{Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			want[kind] += list[i].Messages
		}
	}
	for _, a := range got {
		if messages, ok := want[a.Kind]; (a.Kind != "") != ok || messages != a.Messages || a.Count[0] == 0 || a.Count[1] != a.Count[0] || a.Count[2] != 0 || !a.Last.Equal(Now) {
			t.Errorf("%+v, want %d messages now", a, messages)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d kinds: %+v", len(got), got)
	}
	if got, err := store.AskArrived(t.Context(), v, Now.Add(time.Second)); err != nil || len(got) != 0 {
		t.Errorf("later there are %+v, error %v", got, err)
	}
}

// testReadinessEnds looks at the days up to the last one that a report is about,
// when a report of a week came after that of a day.
func testReadinessEnds(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	daily := Aggregate("day", 1, Record("192.0.2.1", 5, "pass", "pass", auth))
	weekly := Aggregate("week", 0, Record("192.0.2.1", 7, "pass", "pass", auth))
	end := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	week := strings.Replace(weekly, fmt.Sprint(end.Add(-24*time.Hour).Unix()), fmt.Sprint(end.AddDate(0, 0, -7).Unix()), 1)
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate, daily, week))
	viewing(t, w, func(v *store.View) error {
		r, err := store.AskReadiness(t.Context(), v, "shop.example", time.Time{})
		if err == nil && (r.Messages != 12 || !r.Until.Equal(end.AddDate(0, 0, -1))) {
			t.Errorf("%d messages until %v, want all 12", r.Messages, r.Until)
		}
		return err
	})
}

// testWarnings keeps what had to be repaired, of which a version before knew nothing.
func testWarnings(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	odd := strings.Replace(Aggregate("odd", 0, Record("[192.0.2.1]", 5, "PASS", "pass", auth)), "<p>reject</p>", "<p>Reject</p><sp></sp>", 1)
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate, odd, Aggregate("even", 1, Record("192.0.2.1", 5, "pass", "pass", auth))))
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindTLS, strings.Replace(tlsReport, `"2026-11-23T00:00:00Z"`, `"2026-11-23 00:00:00"`, 1)))
	heads := func() map[string]*store.ReportHead {
		all := map[string]*store.ReportHead{}
		viewing(t, w, func(v *store.View) error {
			list, _, err := store.AskReports(t.Context(), v, store.ReportQuestion{})
			for i := range list {
				head, e := store.AskReport(t.Context(), v, list[i].ReportKey)
				all[list[i].ReportID], err = head, errors.Join(err, e)
			}
			return err
		})
		return all
	}
	for id, want := range map[string][]dmarc.Code{
		"odd": {dmarc.CodePolicyValueMissing, dmarc.CodeSourceRepaired, dmarc.CodeValueCase}, "even": nil, "t1": {tlsrpt.CodeDateForm},
	} {
		head := heads()[id]
		slices.Sort(head.Warnings)
		if diff := gocmp.Diff(want, head.Warnings); diff != "" || !head.WarningsKnown {
			t.Errorf("%s, known %t (-want +got):\n%s", id, head.WarningsKnown, diff)
		}
	}
	wantRows(t, w, "SELECT warnings FROM dmarc_reports WHERE report_id = 'even'", "")
	Close(t, s)
	w.Alter(t, "UPDATE reports SET warnings = NULL")
	if head := heads()["odd"]; head.WarningsKnown || head.Warnings != nil {
		t.Errorf("warnings %v of an older version, known %t", head.Warnings, head.WarningsKnown)
	}
}
