package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// fillAll fills and holds of how many reports details were added.
func fillAll(t testing.TB, s *store.Store, want int, deliveries ...*store.Delivery) [][]tally.Result {
	t.Helper()
	results, filled, err := s.FillAll(context.Background(), deliveries...)
	if err != nil {
		t.Fatal(err)
	}
	if filled != want {
		t.Errorf("details of %d reports were added, want %d", filled, want)
	}
	return results
}

// testFill adds the records of reports that were counted without them, once,
// and counts only what is new.
func testFill(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsOff)
	one := Aggregate("1", 0, Record("192.0.2.1", 7, "pass", "fail", auth), Record("192.0.2.2", 2, "fail", "fail", ""))
	Commit(t, s, Read(t, store.DraftConfig{Records: store.RecordsOff}, unpack.KindAggregate, one))
	Commit(t, s, Read(t, store.DraftConfig{Records: store.RecordsOff}, unpack.KindTLS, tlsReport))
	Commit(t, s, Read(t, store.DraftConfig{Records: store.RecordsOff}, unpack.KindFailure, failureMail))
	Close(t, s)
	s = openRecords(t, w, store.RecordsAll)
	before := s.Snapshot()
	all := []*store.Delivery{
		Read(t, store.DraftConfig{}, unpack.KindAggregate, one, one), // twice in one transaction
		Read(t, store.DraftConfig{}, unpack.KindTLS, tlsReport),
		Read(t, store.DraftConfig{}, unpack.KindFailure, failureMail),
	}
	all[0].Refused = []store.Refusal{{Reason: dmarc.ReasonSyntax}}
	all[0].Auth, all[0].Key, all[0].Mark = "pass", "k", "m"
	fillAll(t, s, 3, all...)
	fillAll(t, s, 0, all...)
	messages := func(s *tally.Snapshot) map[string]int64 { return Sums(s, tally.Messages) }
	after := s.Snapshot()
	if diff := cmp.Diff(messages(before), messages(after)); diff != "" || after.Identities != before.Identities {
		t.Errorf("%d identities, were %d; messages (-before +after):\n%s", after.Identities, before.Identities, diff)
	}
	for _, f := range []tally.Family{tally.Refusals, tally.Authenticated} {
		if diff := cmp.Diff(Sums(before, f), Sums(after, f)); diff != "" {
			t.Errorf("%s (-before +after):\n%s", f, diff)
		}
	}
	if diff := cmp.Diff(before.LastDelivery, after.LastDelivery); diff != "" {
		t.Errorf("deliveries of sources (-before +after):\n%s", diff)
	}
	if _, ok := Mark(t, s, "dir:a", "k"); ok {
		t.Error("there is a mark")
	}
	wantRows(t, w, "SELECT source_ip, count FROM dmarc_records ORDER BY 1", "192.0.2.1|7", "192.0.2.2|2")
	wantRows(t, w, "SELECT count(*) FROM dmarc_reports", "1")
	wantRows(t, w, "SELECT count(*) FROM tls_reports", "1")
	wantRows(t, w, "SELECT count(*) FROM dmarc_failures", "1")

	// What is new counts, and only then; another report under a known identity does not.
	other := Aggregate("1", 0, Record("192.0.2.3", 1, "pass", "fail", auth))
	results := fillAll(t, s, 0, Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("2", 0, Record("192.0.2.4", 5, "pass", "fail", auth)), other, Aggregate("old", 500)))
	want := [][]tally.Result{{{Outcome: tally.OutcomeCounted, Counted: true}, {Outcome: tally.OutcomeConflict}, {Outcome: tally.OutcomeTooOld}}}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	wantRows(t, w, "SELECT sum(count) FROM dmarc_records", "14")
	if got := Total(s.Snapshot(), tally.Messages); got != 14 {
		t.Errorf("%d messages, want 14", got)
	}
}

// testFillPart completes reports of which only failing records were kept, and
// adds nothing for a twin that was not counted.
func testFillPart(t *testing.T, w World) {
	open := func(records store.Records) *store.Store {
		s, err := store.Open(context.Background(), w.Engine, store.Config{Records: records, Counts: tally.Config{SkipTwins: true, Now: clockNow}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { Close(t, s) })
		return s
	}
	records := []string{Record("192.0.2.1", 7, "pass", "fail", auth), Record("192.0.2.2", 2, "fail", "fail", "")}
	s := open(store.RecordsFailing)
	failing := Read(t, store.DraftConfig{Records: store.RecordsFailing}, unpack.KindAggregate, Aggregate("1", 0, records...), Aggregate("twin", 0, records...))
	Commit(t, s, failing)
	wantRows(t, w, "SELECT source_ip, count FROM dmarc_records ORDER BY 1", "192.0.2.2|2")
	Close(t, s)
	s = open(store.RecordsAll)
	fillAll(t, s, 0, failing)
	whole := Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("1", 0, records...), Aggregate("twin", 0, records...))
	fillAll(t, s, 1, whole)
	fillAll(t, s, 0, whole)
	fillAll(t, s, 0, failing)
	wantRows(t, w, "SELECT source_ip, count FROM dmarc_records ORDER BY 1", "192.0.2.1|7", "192.0.2.2|2")
	wantRows(t, w, "SELECT report_id, records, messages FROM dmarc_reports", "1|2|9")
}
