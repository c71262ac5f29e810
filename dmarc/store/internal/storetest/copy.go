package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// fillForCopy puts something into each table.
func fillForCopy(t testing.TB, s *store.Store) {
	t.Helper()
	fillAllKinds(t, s)
	config := store.DraftConfig{Sender: func(rec *dmarc.Record) store.Sender {
		return store.Sender{Network: "Example ESP", ASN: 64500, ASName: "Example \u00e9", Country: "NL", Authenticated: "a service"}
	}}
	named := Read(t, config, unpack.KindAggregate, Aggregate("named", 40, Record("192.0.2.1", 7, "pass", "fail", auth), Record("no address", 1, "fail", "fail", "")))
	named.Source, named.Key, named.Mark = "dir:\xff\x00", "\xfe", `"quoted"`
	named.Refused = []store.Refusal{{Reason: dmarc.ReasonSyntax, From: "someone@example.com", Input: "a"}, {Reason: dmarc.ReasonSyntax, Input: "b", Date: Now}}
	named.Auth = "pass"
	Commit(t, s, named)
	failed := Read(t, store.DraftConfig{}, unpack.KindFailure, strings.ReplaceAll(failureMail, "f1@", "f2@"))
	failed.Details[0].Original([]byte("mail\x00\xff"))
	Commit(t, s, failed)
	hosts := []store.Host{{Address: netip.MustParseAddr("192.0.2.1"), Host: "mx.example", Sender: "example", LookedUp: Now}}
	if err := s.PutHosts(t.Context(), hosts); err != nil {
		t.Fatal(err)
	}
	records := make([]string, 520) // which are worth a rollup
	for i := range records {
		records[i] = Record(fmt.Sprintf("198.51.100.%d", i%250), i+1, []string{"pass", "fail"}[i%2], "fail", auth)
	}
	Commit(t, s, Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("large", 1, records...)))
	if err := s.RollUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	Commit(t, s, lateDelivery(t))
	var many []*store.Delivery
	for i := range 30 {
		many = append(many, &store.Delivery{Source: "dir:a", Key: fmt.Sprint(i), Mark: "m", Entries: []*tally.Entry{Unique(1000 + i)}})
	}
	if _, err := s.CommitAll(t.Context(), many...); err != nil {
		t.Fatal(err)
	}
}

// copyWrites is how many writes a copy of that has: at least one for each table.
const copyWrites = 20

// lateDelivery has a report that no rollup has.
func lateDelivery(t testing.TB) *store.Delivery {
	return Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("late", 1, Record("192.0.2.1", 3, "pass", "fail", auth)))
}

// tables returns all rows of all tables, sorted.
func tables(t testing.TB, engine store.Engine) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	viewing(t, World{Engine: engine}, func(v *store.View) error {
		for _, table := range []string{
			"meta WHERE name IN ('created', 'generation')", "identities", "identity_days", "sums", "days", "domains", "names", "sources", "totals", "marks",
			"reports", "report_headers", "records", "record_contents", "addresses", "tls_policies", "tls_details", "failures", "rollups", "refusals",
		} {
			columns := "*"
			if table == "refusals" {
				columns = "refused, source, input, reason, message, mail_date, mail_from, mail_subject, mail_message_id"
			}
			err := v.Query(t.Context(), func(row []any) error {
				all[table] = append(all[table], rowText(row))
				return nil
			}, "SELECT "+columns+" FROM "+table)
			if err != nil {
				return err
			}
			slices.Sort(all[table])
			if len(all[table]) == 0 {
				t.Errorf("%s is empty", table)
			}
		}
		return nil
	})
	return all
}

// rowText writes a row so that each value shows, with its type.
func rowText(row []any) string {
	var b strings.Builder
	for _, v := range row {
		switch v := v.(type) {
		case int64:
			fmt.Fprintf(&b, "%d|", v)
		case []byte:
			fmt.Fprintf(&b, "%x|", v)
		default:
			fmt.Fprintf(&b, "%#v|", v)
		}
	}
	return b.String()
}

// answers returns what is said of what is kept.
func answers(t testing.TB, engine store.Engine) (all []any) {
	t.Helper()
	viewing(t, World{Engine: engine}, func(v *store.View) error {
		for _, by := range []store.By{store.BySource, store.BySender, store.ByReporter} {
			a, err := store.Ask(t.Context(), v, store.Question{By: by})
			if err != nil {
				return err
			}
			all = append(all, a)
		}
		r, err := store.AskReadiness(t.Context(), v, "shop.example", time.Time{})
		all = append(all, r)
		return errors.Join(err, store.Export(t.Context(), v, store.Filter{}, func(l reportjson.Line) error {
			all = append(all, l)
			return nil
		}))
	})
	return all
}

// Copy copies from one database, which is in use, to another one: the copy is the
// same, and goes on as the other one does.
func Copy(t *testing.T, from, to World) {
	s := openRecords(t, from, store.RecordsAll)
	fillForCopy(t, s)
	maker, _ := to.Engine.(store.Maker)
	checked, rows := copyAtLast(t, from, maker)
	want := check(t, from)
	want.Notes = nil
	if diff := cmp.Diff(want, checked); diff != "" {
		t.Errorf("checked (-want +got):\n%s", diff)
	}
	before := tables(t, from.Engine)
	count := 0
	for _, rows := range before {
		count += len(rows)
	}
	if diff := cmp.Diff(before, tables(t, to.Engine)); diff != "" {
		t.Fatalf("tables (-want +got):\n%s", diff)
	}
	if rows != int64(count-2) { // without meta
		t.Errorf("%d rows were copied, want %d", rows, count-2)
	}
	if diff := cmp.Diff(answers(t, from.Engine), answers(t, to.Engine)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if _, err := store.Copy(t.Context(), from.Engine, maker, nil); !errors.Is(err, store.ErrExists) {
		t.Errorf("error %v, want ErrExists", err)
	}
	copied := openRecords(t, to, store.RecordsAll)
	sameStores(t, s, copied)
	if mark, ok := Mark(t, copied, "dir:\xff\x00", "\xfe"); !ok || mark != `"quoted"` {
		t.Errorf("mark %q, %t", mark, ok)
	}
	again := []*store.Delivery{
		lateDelivery(t), Of(Unique(1029)), Read(t, store.DraftConfig{}, unpack.KindTLS, tlsReport), Read(t, store.DraftConfig{}, unpack.KindFailure, failureMail),
		Read(t, store.DraftConfig{}, unpack.KindAggregate, Aggregate("new", 0, Record("192.0.2.1", 3, "pass", "fail", auth))),
	}
	for i, d := range again {
		outcomes, want := Commit(t, copied, d), Commit(t, s, d)
		if diff := cmp.Diff(want, outcomes); diff != "" || (outcomes[0] == tally.OutcomeDuplicate) == (i == len(again)-1) {
			t.Errorf("outcomes %v (-want +got):\n%s", outcomes, diff)
		}
	}
	sameStores(t, s, copied)
	if diff := cmp.Diff(tables(t, from.Engine), tables(t, to.Engine)); diff != "" {
		t.Errorf("tables after more reports (-want +got):\n%s", diff)
	}
}

// sameStores holds that two stores show the same.
func sameStores(t testing.TB, want, got *store.Store) {
	t.Helper()
	before, after := want.Snapshot(), got.Snapshot()
	after.Bytes = before.Bytes
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("snapshots (-want +got):\n%s", diff)
	}
}

// copyAtLast stops a copy in the middle, finds nothing of it, and completes another
// one. It returns how many rows that has.
func copyAtLast(t *testing.T, from World, to store.Maker) (*store.Checked, int64) {
	for _, n := range []int{copyWrites / 2, 0} {
		ctx, cancel := context.WithCancel(t.Context())
		done, last := 0, int64(0)
		checked, err := store.Copy(ctx, from.Engine, to, func(rows int64) {
			last = rows
			if done++; done == n {
				cancel()
			}
		})
		cancel()
		if err == nil {
			if n > 0 || done != copyWrites {
				t.Errorf("a copy that was to stop after write %d has %d", n, done)
			}
			return checked, last
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want that it was cancelled after %d rows", err, last)
		}
		if v, err := to.View(t.Context()); err == nil {
			t.Fatalf("there is a store after %d rows: %v", last, v.Close())
		}
	}
	return nil, 0
}

// CopyDamaged copies nothing of a database that somebody changed.
func CopyDamaged(t *testing.T, from, to World) {
	s := openRecords(t, from, store.RecordsAll)
	fillAllKinds(t, s)
	Close(t, s)
	if got := check(t, from); len(got.Problems) > 0 {
		t.Fatal(got.Problems)
	}
	maker, _ := to.Engine.(store.Maker)
	for _, tt := range []struct{ statement, undo string }{
		{"UPDATE sums SET value = value + 1 WHERE family = 'messages'", "UPDATE sums SET value = value - 1 WHERE family = 'messages'"},
		{"UPDATE marks SET value = 'x'", "UPDATE marks SET value = 'm'"},
		{"UPDATE records SET messages = messages + 1 WHERE report = 1", "UPDATE records SET messages = messages - 1 WHERE report = 1"},
		{"UPDATE identities SET digests = key", ""},
	} {
		from.Alter(t, tt.statement)
		if _, err := store.Copy(t.Context(), from.Engine, maker, nil); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: error %v, want ErrDamaged", tt.statement, err)
		}
		if v, err := to.Engine.View(t.Context()); err == nil {
			t.Fatalf("%s: there is a store: %v", tt.statement, v.Close())
		}
		if tt.undo != "" {
			from.Alter(t, tt.undo)
		}
	}
}
