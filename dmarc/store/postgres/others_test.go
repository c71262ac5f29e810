package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// testOthers lets two stores write by turns, which read what the other one has
// written only when they write themselves: whatever that was, and however much,
// they then hold what one that opens the database reads.
func testOthers(t *testing.T, server *realtest.PostgresServer) {
	d := sharedEngine(server, "others")
	var days atomic.Int64
	config := tally.Config{Budget: 800, Horizon: 80 * 24 * time.Hour, Now: func() time.Time { return storetest.Now.AddDate(0, 0, int(days.Load())) }}
	open := func(d Database) *store.Store {
		s, err := store.Open(t.Context(), d, store.Config{Counts: config, Refresh: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { storetest.Close(t, s) })
		return s
	}
	n := 0
	report := func(org, domain string) *tally.Entry {
		n++
		e := storetest.Unique(n)
		e.Org, e.Domain = org, domain
		e.Begin, e.End = e.Begin.AddDate(0, 0, int(days.Load())), e.End.AddDate(0, 0, int(days.Load()))
		return e
	}
	first, second := open(d), open(d)
	storetest.Commit(t, second, storetest.Of(report("r.example", "d.example")))
	alone := d
	alone.Shared = false
	commit := func(s *store.Store, entries ...*tally.Entry) *tally.Entry {
		t.Helper()
		storetest.Commit(t, s, storetest.Of(entries...))
		return entries[0]
	}
	for _, step := range []struct {
		name string
		do   func() *tally.Entry // by the first store, or instead of it
	}{
		{"the same labels", func() *tally.Entry { return commit(first, report("r.example", "d.example")) }},
		{"other labels", func() *tally.Entry {
			return commit(first, report("s.example", "e.example"), report("t.example", "d.example"))
		}},
		{"a refusal and a mark", func() *tally.Entry {
			e := report("s.example", "d.example")
			refused := []store.Refusal{{Reason: dmarc.ReasonSyntax}}
			storetest.Commit(t, first, &store.Delivery{Source: "dir:a", Key: "k", Mark: "m", Refused: refused, Entries: []*tally.Entry{e}})
			return e
		}},
		{"labels beyond the budget", func() *tally.Entry {
			var all []*tally.Entry
			for i := range 100 {
				all = append(all, report(fmt.Sprintf("r%d.example", i), fmt.Sprintf("d%d.example", i)))
			}
			return commit(first, all...)
		}},
		{"days go", func() *tally.Entry {
			days.Add(100)
			return commit(first, report("u.example", "d.example"))
		}},
		{"one that shares with nobody", func() *tally.Entry {
			s := open(alone)
			defer storetest.Close(t, s)
			return commit(s, report("v.example", "f.example"))
		}},
		{"more commits than are told", func() *tally.Entry {
			e := commit(first, report("w.example", "g.example"))
			for i := range keptNews {
				commit(first, report(fmt.Sprintf("w%d.example", i), "g.example"))
			}
			return e
		}},
		{"a connection that was lost", func() *tally.Entry {
			e := commit(first, report("x.example", "h.example"))
			server.SQL(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dmarc-suite'")
			realtest.Eventually(t, "both connect again", func() bool {
				_, err := first.Commit(context.Background(), storetest.Of(report("x.example", "d.example")))
				_, other := second.Commit(context.Background(), storetest.Of(report("x.example", "d.example")))
				return err == nil && other == nil
			})
			return e
		}},
	} {
		e := step.do()
		commit(second, report(e.Org, e.Domain))
		twin := *e
		twin.ReportID += " again"
		for _, one := range []struct {
			entry *tally.Entry
			want  tally.Outcome
		}{{&twin, tally.OutcomeTwin}, {e, tally.OutcomeDuplicate}} {
			if got := storetest.Commit(t, second, storetest.Of(one.entry)); got[0] != one.want {
				t.Errorf("%s: outcome %s, want %s", step.name, got[0], one.want)
			}
		}
		got := second.Snapshot()
		fresh := open(d)
		want := fresh.Snapshot()
		storetest.Close(t, fresh)
		got.Bytes, want.Bytes = 0, 0 // measured now and then
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-a store that was opened +one that was told):\n%s", step.name, diff)
		}
		if checked, err := store.Check(t.Context(), d); err != nil || len(checked.Problems) > 0 {
			t.Errorf("%s: check: %v %v", step.name, checked, err)
		}
		commit(second, e) // From here on it knows what the one that was opened has written.
	}
}
