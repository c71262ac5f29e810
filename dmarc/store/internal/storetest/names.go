package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// testNames lets names take the room of others, again and again, and opens the
// database anew each time: what goes and comes back is there as it was in memory.
func testNames(t *testing.T, w World) {
	clock := Now
	config := tally.Config{Budget: 700, Now: func() time.Time { return clock }}
	s := Open(t, w.Engine, config)
	n, gone := 0, false
	for round := range 6 {
		for range 3 {
			clock = clock.AddDate(0, 0, 1)
			d := Of()
			for i := range 30 {
				n++
				e := Unique(n)
				e.Org, e.Domain = fmt.Sprintf("r%d.example", round%2*100+i), fmt.Sprintf("d%d.example", round%2)
				e.Begin, e.End = clock.AddDate(0, 0, -1), clock
				d.Entries = append(d.Entries, e)
			}
			Commit(t, s, d)
		}
		before := s.Snapshot()
		Close(t, s)
		s = Open(t, w.Engine, config)
		after := s.Snapshot()
		for _, f := range []tally.Family{tally.Messages, tally.ClassMessages, tally.ReporterMessages, tally.Reports} {
			if diff := cmp.Diff(Sums(before, f), Sums(after, f)); diff != "" {
				t.Errorf("round %d: %s (-before +after):\n%s", round, f, diff)
			}
		}
		if diff := cmp.Diff(before.Windows, after.Windows); diff != "" {
			t.Errorf("round %d: windows (-before +after):\n%s", round, diff)
		}
		for _, f := range []tally.Family{tally.Messages, tally.ReporterMessages} {
			if got := Total(after, f); got != int64(10*n) {
				t.Errorf("round %d: %s add up to %d, want %d", round, f, got, 10*n)
			}
		}
		gone = gone || Sums(before, tally.ReporterMessages)["r0.example"] == 0
		clock = clock.AddDate(0, 0, 50)
	}
	if !gone {
		t.Error("no name gave its room to another one")
	}
}

// testDomains changes the domains while commits run: each message counts once,
// and what is committed after that counts by the new ones.
func testDomains(t *testing.T, w World) {
	s := Open(t, w.Engine, tally.Config{Domains: []string{"d0.example"}})
	about := func(i, domain int) *store.Delivery {
		e := Unique(i)
		e.Domain = fmt.Sprintf("d%d.example", domain)
		return Of(e)
	}
	const writers, each = 4, 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				Commit(t, s, about(each*i+j, j%2))
			}
		})
	}
	if err := s.SetDomains(t.Context(), []string{"d0.example", "d1.example"}); err != nil {
		t.Error(err)
	}
	wg.Wait()
	before := s.Snapshot()
	Commit(t, s, about(writers*each, 1))
	after := s.Snapshot()
	own := func(s *tally.Snapshot) (n int64) {
		for _, series := range s.Series[tally.Messages] {
			if series.Labels[0] == "d1.example" {
				n += series.Value
			}
		}
		return n
	}
	if got := own(after) - own(before); got != 10 {
		t.Errorf("%d messages more of the new domain, want 10", got)
	}
	if got := Total(after, tally.Messages); got != 10*(writers*each+1) {
		t.Errorf("%d messages in all, want %d", got, 10*(writers*each+1))
	}
	if len(after.Domains) != 2 {
		t.Errorf("domains %+v, want two", after.Domains)
	}
	Close(t, s)
	if err := s.SetDomains(t.Context(), nil); err == nil {
		t.Error("a closed store takes domains")
	}
}
