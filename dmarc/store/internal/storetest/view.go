package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// fillAllKinds commits reports of all kinds.
func fillAllKinds(t testing.TB, s *store.Store) {
	t.Helper()
	for _, d := range []*store.Delivery{
		Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("1", 0, Record("2001:DB8::1", 7, "pass", "fail", auth), Record("192.0.2.2", 2, "FAIL", "fail", "")),
			Aggregate("2", 3, Record("192.0.2.1", 4, "fail", "fail", auth))),
		Read(t, store.DraftConfig{}, unpack.KindTLS, tlsReport),
		Read(t, store.DraftConfig{}, unpack.KindFailure, failureMail),
	} {
		d.Key, d.Mark = d.Entries[0].ReportID, "m"
		Commit(t, s, d)
	}
}

// check checks a database and returns what is wrong.
func check(t testing.TB, w World) *store.Checked {
	t.Helper()
	got, err := store.Check(context.Background(), w.Engine)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// testCheck finds nothing wrong with a whole database, be it open or not, and
// finds each thing that somebody changed.
func testCheck(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	fillAllKinds(t, s)
	want := &store.Checked{Identities: 4, Reports: 4, Records: 3, Counted: 13, Recorded: 13}
	got := check(t, w)
	got.Notes = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("checked (-want +got):\n%s", diff)
	}
	Close(t, s)
	const id = "(SELECT min(id) FROM reports)"
	for _, tt := range []struct{ statement, undo, text string }{
		{"UPDATE sums SET value = value + 1 WHERE family = 'messages'", "UPDATE sums SET value = value - 1 WHERE family = 'messages'", "sums: wrong checksum"},
		{"UPDATE marks SET value = 'x'", "UPDATE marks SET value = 'm'", "marks: wrong checksum"},
		{"UPDATE record_contents SET spf = 'pass' WHERE dkim = 'pass'", "UPDATE record_contents SET spf = 'fail' WHERE dkim = 'pass'", "its hash is"},
		{"UPDATE records SET messages = messages + 1 WHERE report = " + id, "UPDATE records SET messages = messages - 1 WHERE report = " + id, "2 records of 2, 11 messages of 9"},
		{"UPDATE reports SET kept = kept + 1 WHERE id = " + id, "UPDATE reports SET kept = kept - 1 WHERE id = " + id, "2 records of 3"},
		{"UPDATE tls_policies SET failed_sessions = failed_sessions + 1", "UPDATE tls_policies SET failed_sessions = failed_sessions - 1", "8 messages of 7"},
		{"UPDATE failures SET incidents = 2", "UPDATE failures SET incidents = 1", "2 messages of 1"},
		{"UPDATE records SET content = content + 1 WHERE report = " + id, "UPDATE records SET content = content - 1 WHERE report = " + id, "2 records without content"},
		{"UPDATE failures SET report = report + 100", "UPDATE failures SET report = report - 100", "belong to no report"},
		{"DELETE FROM identities WHERE key = (SELECT key FROM identities ORDER BY key LIMIT 1)", "", "identities of day"},
	} {
		w.Alter(t, tt.statement)
		got := check(t, w)
		if !strings.Contains(strings.Join(got.Problems, "\n"), tt.text) {
			t.Errorf("%s: problems %q, want %q", tt.statement, got.Problems, tt.text)
		}
		if tt.undo != "" {
			w.Alter(t, tt.undo)
		}
	}
}

// testCheckMore finds records of more messages than were counted, although each
// report has what it should.
func testCheckMore(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	fillAllKinds(t, s)
	Close(t, s)
	w.Alter(t, "UPDATE records SET messages = messages + 50")
	w.Alter(t, "UPDATE reports SET messages = (SELECT sum(messages) FROM records WHERE report = id) WHERE kind = 'aggregate'")
	w.Alter(t, "UPDATE reports SET pass_messages = pass_messages + 50 WHERE pass_messages > 0 AND kind = 'aggregate'")
	got := strings.Join(check(t, w).Problems, "\n")
	if !strings.Contains(got, "records with disposition none, DKIM pass and SPF fail have 57 messages, more than the 7 that were counted") || strings.Contains(got, "report ") {
		t.Errorf("problems %s", got)
	}
}

// testExport exports what is kept of all kinds, by day and domain.
func testExport(t *testing.T, w World) {
	s := openRecords(t, w, store.RecordsAll)
	fillAllKinds(t, s)
	end := time.Date(2026, 11, 23, 23, 59, 59, 0, time.UTC)
	for _, tt := range []struct {
		filter store.Filter
		want   []string
	}{
		{store.Filter{}, []string{"aggregate 2 4", "aggregate 1 7", "aggregate 1 2", "tls t1 5", "failure f1@mail.example 1"}},
		{store.Filter{Since: end}, []string{"aggregate 1 7", "aggregate 1 2", "tls t1 5"}},
		{store.Filter{Until: end}, []string{"aggregate 2 4", "failure f1@mail.example 1"}},
		{store.Filter{Until: end, Since: end}, nil},
		{store.Filter{Domain: "Shop.Example."}, []string{"aggregate 2 4", "aggregate 1 7", "aggregate 1 2", "tls t1 5", "failure f1@mail.example 1"}},
		{store.Filter{Domain: "other.example"}, nil},
	} {
		var got []string
		for _, l := range export(t, w, tt.filter) {
			got = append(got, describeLine(l))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.filter, diff)
		}
	}
	lines := export(t, w, store.Filter{Since: end})
	record, _ := lines[0].(*reportjson.Record)
	pct := 50
	want := &reportjson.Record{
		Header: reportjson.Header{
			Path: "dir:a", Kind: unpack.KindAggregate, Org: "Example Mail", Email: "dmarc@mail.example", ReportID: "1", Domain: "shop.example",
			Begin: end.Add(time.Second - 24*time.Hour), End: end, Received: Now,
		},
		Version: "1.0", ExtraContactInfo: "https://mail.example/dmarc", Policy: reportjson.PublishedPolicy{P: "reject", ADKIM: "s", Pct: &pct},
		SourceIP: "2001:db8::1", Count: 7, Disposition: "none", DKIM: "pass", SPF: "fail", Pass: true, Reasons: []reportjson.Reason{},
		HeaderFrom: "shop.example", EnvelopeFrom: "bounce.example",
		AuthDKIM: []reportjson.DKIM{{Domain: "a.example", Selector: "s1", Result: "pass"}, {Domain: "b.example", Result: "fail", HumanResult: "bad <hash>"}},
		AuthSPF:  []reportjson.SPF{{Domain: "bounce.example", Scope: "mfrom", Result: "softfail"}},
	}
	if diff := cmp.Diff(want, record); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if r, _ := lines[1].(*reportjson.Record); r == nil || r.RawDKIM != "FAIL" {
		t.Errorf("record %+v, want the text that was repaired", r)
	}
	policy, _ := lines[2].(*reportjson.Policy)
	if policy == nil || len(policy.Strings) != 2 || len(policy.Details) != 1 || policy.Details[0].Failed != 2 || policy.Details[0].ReasonCode != "x\uFFFDy" {
		t.Errorf("policy %+v", policy)
	}
}

func describeLine(l reportjson.Line) string {
	n := int64(0)
	switch l := l.(type) {
	case *reportjson.Record:
		n = l.Count
	case *reportjson.Policy:
		n = l.Successful
	case *reportjson.Failure:
		n = l.Incidents
	}
	return fmt.Sprint(l.Head().Kind, " ", l.Head().ReportID, " ", n)
}

func export(t testing.TB, w World, f store.Filter) (lines []reportjson.Line) {
	t.Helper()
	v, err := w.Engine.View(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	err = store.Export(context.Background(), v, f, func(l reportjson.Line) error {
		lines = append(lines, l)
		return nil
	})
	if err := errors.Join(err, v.Close()); err != nil {
		t.Fatal(err)
	}
	return lines
}

// testView reads one snapshot while the store goes on, and changes nothing.
func testView(t *testing.T, w World) {
	if _, err := w.Engine.View(context.Background()); err == nil {
		t.Error("a database that is not there was opened")
	}
	s := openRecords(t, w, store.RecordsAll)
	Commit(t, s, Of(Unique(1)))
	v, err := w.Engine.View(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	Commit(t, s, Of(Unique(2)))
	n := int64(0)
	err = v.Query(context.Background(), func(row []any) error {
		n, _ = row[0].(int64)
		return nil
	}, "SELECT count(*) FROM identities")
	if err != nil || n != 1 {
		t.Errorf("%d identities, want those of the snapshot: 1; %v", n, err)
	}
	none := func([]any) error { return nil }
	if err := v.Query(context.Background(), none, "DELETE FROM identities"); err == nil {
		t.Error("a view changed the database")
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	Commit(t, s, Of(Unique(3)))
	if got := Total(s.Snapshot(), tally.Messages); got != 30 {
		t.Errorf("%d messages, want 30", got)
	}
}
