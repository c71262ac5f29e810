package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
