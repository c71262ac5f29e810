package storetest

import (
	"errors"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// testOnly answers of a view of some domains as questions about them do, before
// and after what is rolled up.
func testOnly(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	fillAllKinds(t, s)
	Commit(t, s, randomReports(t, 4, 40, 20))
	Commit(t, s, &store.Delivery{Source: "imap:a", Refused: []store.Refusal{{Reason: "empty", Input: "2"}}})
	for range 2 {
		viewing(t, w, func(v *store.View) error { return holdOnly(t, v) })
		if err := s.RollUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func holdOnly(t *testing.T, v *store.View) error {
	ctx := t.Context()
	only, err := v.Only(ctx, []string{"B.example.", "none.example"})
	if err != nil {
		return err
	}
	for _, by := range []store.By{store.BySource, store.BySender, store.BySelector, store.ByDisposition, store.ByDay, store.ByReporter, store.ByDomain} {
		want, err := store.Ask(ctx, v, store.Question{By: by, Period: store.Period{Domain: "b.example"}})
		if err != nil {
			return err
		}
		got, err := store.Ask(ctx, only, store.Question{By: by})
		if err != nil {
			return err
		}
		if diff := gocmp.Diff(want, got); diff != "" || got.Reports == 0 {
			t.Errorf("%d reports by %s (-of the domain +only the domain):\n%s", got.Reports, by, diff)
		}
	}
	export := func(v *store.View, f store.Filter) (lines []reportjson.Line, err error) {
		err = store.Export(ctx, v, f, func(l reportjson.Line) error {
			lines = append(lines, l)
			return nil
		})
		return lines, err
	}
	want, err := export(v, store.Filter{Domain: "b.example"})
	got, e := export(only, store.Filter{})
	if diff := gocmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("export (-of the domain +only the domain):\n%s", diff)
	}
	refused, found, e2 := store.AskRefusals(ctx, only, store.RefusalQuestion{})
	if found+int64(len(refused)) != 0 {
		t.Errorf("%d refusals: %+v", found, refused)
	}
	tls, e3 := store.AskTLS(ctx, only, store.Period{})
	if len(tls.Policies)+len(tls.Days)+len(tls.Failures) != 0 {
		t.Errorf("TLS of others: %+v", tls)
	}
	// A view of a view has what both have, and a subdomain belongs to its domain.
	for _, test := range []struct {
		domains []string
		some    bool
	}{{[]string{"a.example"}, false}, {nil, false}, {[]string{"example"}, true}} {
		less, err := only.Only(ctx, test.domains)
		if err != nil {
			return err
		}
		if list, n, err := store.AskReports(ctx, less, store.ReportQuestion{}); err != nil || (n > 0) != test.some || (len(list) > 0) != test.some {
			t.Errorf("only %q of the domain: %d reports, error %v", test.domains, n, err)
		}
	}
	return errors.Join(err, e, e2, e3)
}
