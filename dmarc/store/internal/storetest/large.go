package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// testLarge asks what people ask of many records: by default of few, with
// LARGE_RECORDS=10000000 of as many as the goals in docs/report.md are for. They
// are of 60 days, 40 reporters and 20 domains, of which one has half of them.
func testLarge(t *testing.T, w World) {
	const few, perReport, perCommit = 40_000, 50, 100
	records := realtest.Count(t, "LARGE_RECORDS", few)
	s := openRecords(t, w, store.RecordsAll)
	start := time.Now()
	for first := 0; first < records/perReport; first += perCommit {
		Commit(t, s, largeDelivery(t, first, min(perCommit, records/perReport-first), perReport))
	}
	t.Logf("%d records were kept in %v", records, time.Since(start).Round(time.Second))
	if err := s.RollUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	Close(t, s)
	period := store.Period{Domain: "d0.example", Since: Now.AddDate(0, 0, -30)}
	for _, one := range []struct {
		name string
		ask  func(ctx context.Context, v *store.View) error
	}{
		{"top 20 failing sources", func(ctx context.Context, v *store.View) error {
			a, err := store.Ask(ctx, v, store.Question{Period: period, By: store.BySource, Failing: true, Top: 20})
			if err == nil && len(a.Groups) != 20 {
				t.Errorf("%d groups", len(a.Groups))
			}
			return err
		}},
		{"senders", func(ctx context.Context, v *store.View) error {
			_, err := store.Ask(ctx, v, store.Question{Period: period, By: store.BySender, Failing: true, Top: 20})
			return err
		}},
		{"readiness", func(ctx context.Context, v *store.View) error {
			r, err := store.AskReadiness(ctx, v, period.Domain, time.Time{})
			if err == nil && r.Reports == 0 {
				t.Error("no reports")
			}
			return err
		}},
		{"one report", func(ctx context.Context, v *store.View) error {
			n, err := store.Find(ctx, v, fmt.Sprint(records/perReport/2), func(reportjson.Line) error { return nil })
			if err == nil && n == 0 {
				t.Error("not found")
			}
			return err
		}},
	} {
		start := time.Now()
		viewing(t, w, func(v *store.View) error { return one.ask(t.Context(), v) })
		first := time.Since(start)
		start = time.Now()
		viewing(t, w, func(v *store.View) error { return one.ask(t.Context(), v) })
		t.Logf("%s: %v, and again %v", one.name, first.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	}
}

// largeDelivery makes n reports from the first one on.
func largeDelivery(t testing.TB, first, n, records int) *store.Delivery {
	d := &store.Delivery{Source: "large"}
	reader := &tally.Reader{}
	draft := store.NewDraft(reader, store.DraftConfig{})
	for i := first; i < first+n; i++ {
		e := Unique(i)
		e.Org, e.Domain = fmt.Sprint("org", i%40), "d0.example"
		if i%2 == 1 {
			e.Domain = fmt.Sprintf("d%d.example", i%20)
		}
		e.End = e.End.AddDate(0, 0, -i/40%60)
		e.Begin = e.End.Add(1 - 24*time.Hour)
		report := &dmarc.Report{Policy: e.Policy}
		for j := range records {
			rec := benchRecord(i, j, e.Domain)
			if j%4 == 0 {
				rec.DKIM, rec.AuthDKIM[0].Result, rec.AuthDKIM[1].Result = "fail", "fail", "fail"
			}
			reader.Record(report, rec)
		}
		reader.Report(report)
		details, err := draft.Take()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(details.Close)
		e.Records = int64(records)
		d.Entries, d.Details = append(d.Entries, e), append(d.Details, details)
	}
	return d
}
