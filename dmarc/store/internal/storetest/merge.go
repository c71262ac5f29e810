package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// mergeable returns deliveries of all kinds for two stores, one of them with more than
// are read at once; some come to both.
func mergeable(t testing.TB) (first, second []*store.Delivery) {
	t.Helper()
	aggregates := func(name string, n, count int) []*store.Delivery {
		all := []string{Aggregate(name+" failing", 0, Record("192.0.2.2", 2, "FAIL", "fail", ""), Record("no address", count, "fail", "fail", auth))}
		for i := range n {
			all = append(all, Aggregate(fmt.Sprint(name, i), i%5, Record("2001:DB8::1", count+i, "pass", "fail", auth)))
		}
		return []*store.Delivery{
			Read(t, store.DraftConfig{}, unpack.KindAggregate, all...), Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate(name+" without records", 1)),
			Read(t, store.DraftConfig{}, unpack.KindTLS, strings.Replace(tlsReport, `"t1"`, `"`+name+`"`, 1)),
			Read(t, store.DraftConfig{}, unpack.KindFailure, strings.ReplaceAll(failureMail, "f1@", name+"@")),
		}
	}
	authentic := Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("authentic", 0, Record("192.0.2.1", 4, "pass", "fail", auth)))
	authentic.Entries[0].Authentic, authentic.Source = true, "imap:\xff"
	second = append(aggregates("second", 100, 1000), authentic)
	return append(aggregates("first", 8, 1), second[2]), append(second, Read(t, store.DraftConfig{}, unpack.KindAggregate,
		Aggregate("first7", 2, Record("2001:DB8::1", 8, "pass", "fail", auth))))
}

// commitAll commits deliveries, each on its own.
func commitAll(t testing.TB, s *store.Store, deliveries []*store.Delivery) {
	t.Helper()
	for _, d := range deliveries {
		Commit(t, s, d)
	}
}

// counts returns everything that is counted of reports.
func countsOf(s *tally.Snapshot) map[tally.Family]map[string]int64 {
	all := map[tally.Family]map[string]int64{}
	for _, f := range []tally.Family{
		tally.Messages, tally.ClassMessages, tally.AuthenticMessages, tally.SourceMessages, tally.ReporterMessages, tally.AuthenticReporterMessages, tally.Reports,
		tally.TLSSessions, tally.TLSFailures, tally.Failures, tally.Warnings,
	} {
		all[f] = Sums(s, f)
	}
	return all
}

// keptIn returns what is known and kept of reports, but for their ids.
func keptIn(t testing.TB, engine store.Engine) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	viewing(t, World{Engine: engine}, func(v *store.View) error {
		for _, table := range []string{"identities", "identity_days", "record_contents", "report_headers", "addresses"} {
			err := v.Query(t.Context(), func(row []any) error {
				all[table] = append(all[table], rowText(row))
				return nil
			}, "SELECT * FROM "+table)
			if err != nil {
				return err
			}
		}
		return store.Export(t.Context(), v, store.Filter{}, func(l reportjson.Line) error {
			text, err := json.Marshal(l)
			all["lines"] = append(all["lines"], string(text))
			return err
		})
	})
	for _, rows := range all {
		slices.Sort(rows)
	}
	return all
}

// merge adds the reports of a database to a store.
func merge(t testing.TB, from World, into *store.Store) (filled int) {
	t.Helper()
	viewing(t, from, func(v *store.View) error {
		return store.Deliveries(t.Context(), v, store.DeliveriesConfig{}, func(deliveries []*store.Delivery) error {
			_, n, err := into.FillAll(t.Context(), deliveries...)
			filled += n
			return err
		})
	})
	return filled
}

// Merge adds the reports of one database to another one, twice: they come to what
// one database has that received all of them.
func Merge(t *testing.T, from, into, both World) {
	first, second := mergeable(t)
	stores := map[string]*store.Store{}
	for name, w := range map[string]World{"from": from, "into": into, "both": both} {
		stores[name] = openRecords(t, w, store.RecordsAll)
	}
	commitAll(t, stores["into"], first)
	commitAll(t, stores["both"], first)
	commitAll(t, stores["from"], second)
	commitAll(t, stores["both"], second)
	viewing(t, from, func(v *store.View) error {
		lacking, err := store.Lacks(t.Context(), v)
		if lacking != (store.Lacking{}) {
			t.Errorf("lacking %+v", lacking)
		}
		return err
	})
	if filled := merge(t, from, stores["into"]); filled != 0 {
		t.Errorf("details of %d reports were added that had them", filled)
	}
	want, got := stores["both"].Snapshot(), stores["into"].Snapshot()
	if diff := cmp.Diff(countsOf(want), countsOf(got)); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.Windows, got.Windows); diff != "" {
		t.Errorf("windows (-want +got):\n%s", diff)
	}
	kept := keptIn(t, both.Engine)
	if diff := cmp.Diff(kept, keptIn(t, into.Engine)); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	merge(t, from, stores["into"])
	if diff := cmp.Diff(kept, keptIn(t, into.Engine)); diff != "" {
		t.Errorf("reports after another merge (-want +got):\n%s", diff)
	}
	if got := check(t, into); len(got.Problems) > 0 {
		t.Errorf("problems %q", got.Problems)
	}
	for _, d := range second {
		if got := Commit(t, stores["into"], d)[0]; got != tally.OutcomeDuplicate {
			t.Errorf("outcome %s of %s, want duplicate", got, d.Entries[0].ReportID)
		}
	}
}

// Lacks tells what was counted and is not kept whole, and finds what is damaged.
func Lacks(t *testing.T, from, into World) {
	first, _ := mergeable(t)
	s := openRecords(t, from, store.RecordsFailing)
	commitAll(t, s, first)
	Commit(t, s, Read(t, store.DraftConfig{Records: store.RecordsFailing}, unpack.KindAggregate,
		Aggregate("failing", 0, Record("192.0.2.1", 7, "pass", "fail", auth), Record("192.0.2.2", 2, "fail", "fail", ""))))
	Commit(t, s, Of(Unique(1)))
	viewing(t, from, func(v *store.View) error {
		lacking, err := store.Lacks(t.Context(), v)
		if want := (store.Lacking{Reports: 2, Messages: 19}); lacking != want {
			t.Errorf("lacking %+v, want %+v", lacking, want)
		}
		return err
	})
	// The others are merged, as far as the other store keeps them.
	merged, err := store.Open(t.Context(), into.Engine, store.Config{Records: store.RecordsFailing, Counts: tally.Config{Signers: true, Now: clockNow}})
	if err != nil {
		t.Fatal(err)
	}
	defer Close(t, merged)
	config := store.DeliveriesConfig{Signers: true, Draft: store.DraftConfig{Records: store.RecordsFailing}, Source: func(*dmarc.Record) string { return "a sender" }}
	viewing(t, from, func(v *store.View) error {
		return store.Deliveries(t.Context(), v, config, func(deliveries []*store.Delivery) error {
			_, _, err := merged.FillAll(t.Context(), deliveries...)
			return err
		})
	})
	if got, want := Total(merged.Snapshot(), tally.Messages), Total(s.Snapshot(), tally.Messages)-19; got != want {
		t.Errorf("%d messages, want %d", got, want)
	}
	total := int64(0)
	for labels, n := range Sums(merged.Snapshot(), tally.SignerMessages) {
		if strings.HasSuffix(labels, ",total") {
			total += n
		}
	}
	if want := Total(merged.Snapshot(), tally.Messages); total != want {
		t.Errorf("%d messages of signers, want %d", total, want)
	}
	if got := Sums(merged.Snapshot(), tally.SourceMessages); got["shop.example,a sender,true"] == 0 {
		t.Errorf("messages of senders %v", got)
	}
	wantRows(t, into, "SELECT dkim, count(*) FROM dmarc_records GROUP BY dkim", "fail|2")
	for domain, want := range map[string]int{"shop.example": 13, "EXAMPLE.": 13, "hop.example": 0, "www.shop.example": 0} {
		got := 0
		viewing(t, from, func(v *store.View) error {
			return store.Deliveries(t.Context(), v, store.DeliveriesConfig{Domains: []string{"other.example", domain}}, func(deliveries []*store.Delivery) error {
				for _, d := range deliveries {
					got += len(d.Entries)
				}
				return nil
			})
		})
		if got != want {
			t.Errorf("%d reports about %s, want %d", got, domain, want)
		}
	}
	Close(t, s)
	from.Alter(t, "UPDATE records SET messages = messages + 1 WHERE n = 0 AND report = 2")
	viewing(t, from, func(v *store.View) error {
		if _, err := store.Lacks(t.Context(), v); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("error %v, want ErrDamaged", err)
		}
		return nil
	})
}
