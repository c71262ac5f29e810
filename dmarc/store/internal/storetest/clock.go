package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// machine is a machine with a clock that may be wrong.
type machine struct {
	now   time.Time // as it is
	wrong time.Duration
	boot  time.Time
	s     *store.Store
}

func (m *machine) config() store.Config {
	return store.Config{
		Counts: tally.Config{Now: func() time.Time { return m.now.Add(m.wrong) }},
		Clock:  store.Clock{Built: Now.AddDate(0, 0, -100), Elapsed: func() time.Duration { return m.now.Sub(m.boot) }},
	}
}

// start opens the store anew.
func (m *machine) start(t *testing.T, w World) {
	t.Helper()
	if m.s != nil {
		Close(t, m.s)
	}
	m.boot = m.now
	var err error
	if m.s, err = store.Open(context.Background(), w.Engine, m.config()); err != nil {
		t.Fatal(err)
	}
}

// deliver commits the report of the day that ended before a day, and reports
// whether it was held back.
func (m *machine) deliver(t *testing.T, day int, want tally.Outcome) (held bool) {
	t.Helper()
	d := Of(Unique(day))
	d.Source = "dir:a"
	d.Entries[0].Begin, d.Entries[0].End = d.Entries[0].Begin.AddDate(0, 0, day), d.Entries[0].End.AddDate(0, 0, day)
	results, err := m.s.Commit(context.Background(), d)
	switch {
	case errors.Is(err, store.ErrClock):
		if m.s.Snapshot().Clock == nil {
			t.Errorf("held back, but the clock is believed: %v", err)
		}
		return true
	case err != nil:
		t.Fatal(err)
	case results[0].Outcome != want:
		t.Errorf("the clock is off by %s: report of day %d is %s, want %s", m.wrong, day, results[0].Outcome, want)
	}
	return false
}

// wrongBy are mistakes of clocks: without a battery, set by hand, by a bad server.
var wrongBy = []time.Duration{-26 * 365 * 24 * time.Hour, -40 * 24 * time.Hour, -3 * 24 * time.Hour, 40 * 24 * time.Hour, 3 * 365 * 24 * time.Hour, 14 * 365 * 24 * time.Hour}

// testClock runs for weeks on a machine whose clock is wrong again and again for
// some hours, and which starts anew in between. Every report counts once, and
// nothing that a clock decides is done by a wrong one.
func testClock(t *testing.T, w World) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	m := &machine{now: Now}
	m.start(t, w)
	defer func() { Close(t, m.s) }()
	days := realtest.Count(t, "CLOCK_DAYS", 6)
	m.deliver(t, 0, tally.OutcomeCounted)
	done, held, until := 0, 0, 0
	for hour := 1; hour < 24*days || m.wrong != 0 || done < days; hour++ {
		m.now = m.now.Add(time.Hour)
		if hour >= until {
			// It is right in between: what is wrong evenly for long is believed.
			if was := m.wrong; random.IntN(8) != 0 || was != 0 || hour >= 24*days {
				m.wrong = 0
			} else {
				m.wrong, until = wrongBy[random.IntN(len(wrongBy))], hour+1+random.IntN(4)
			}
		}
		if random.IntN(20) == 0 {
			m.start(t, w)
		}
		if next := done + 1; next*24 <= hour && !m.deliver(t, next, tally.OutcomeCounted) {
			done = next
		}
		if m.deliver(t, random.IntN(done+1), tally.OutcomeDuplicate) {
			held++
		} else if m.wrong != 0 {
			t.Fatalf("hour %d: a clock that is off by %s is believed", hour, m.wrong)
		}
		if err := m.s.Prune(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	s := m.s.Snapshot()
	if got := Sums(s, tally.Reports)["aggregate,Example Mail,counted"]; got != int64(days+1) || s.Identities != int64(days+1) {
		t.Errorf("%d reports and %d identities, want %d", got, s.Identities, days+1)
	}
	if held == 0 {
		t.Error("the clock was never wrong")
	}
	for _, window := range s.Windows {
		if want := int64(7 * (days + 1)); window.Window == "30d" && window.Class == tally.ClassAlignedBoth && window.Messages != want {
			t.Errorf("%d messages in 30 days, want %d", window.Messages, want)
		}
	}
	if want := Unique(0).End.AddDate(0, 0, days); !s.Domains[0].LastEnd.Equal(want) {
		t.Errorf("the last report ended %s, want %s", s.Domains[0].LastEnd, want)
	}
}

// testClockHeals lets a clock be believed that goes on evenly, whatever was noted by a wrong one.
func testClockHeals(t *testing.T, w World) {
	m := &machine{now: Now, wrong: 14 * 365 * 24 * time.Hour}
	m.start(t, w)
	if !m.deliver(t, 0, "") {
		t.Error("a first clock 14 years after the program was built is believed")
	}
	m.now = m.now.Add(7 * time.Hour)
	if m.deliver(t, 0, tally.OutcomeTooOld) {
		t.Error("a clock that went on evenly is not believed")
	}
	m.wrong = 0
	m.now = m.now.Add(time.Hour)
	m.start(t, w) // its last report was in the future
	defer func() { Close(t, m.s) }()
	if !m.deliver(t, 0, "") {
		t.Error("a clock years before the last report is believed")
	}
	if m.s.Snapshot().Clock == nil {
		t.Error("the snapshot does not have it")
	}
	m.now = m.now.Add(7 * time.Hour)
	if m.deliver(t, 0, tally.OutcomeCounted) {
		t.Error("the right clock is not believed any more")
	}
}
