package tally

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReporterEnds knows when the latest report of each reporter ended, also
// after a restart; late reports and dates in the future change nothing.
func TestReporterEnds(t *testing.T) {
	c := newTown(t, Config{Domains: []string{"shop.example"}})
	day := now.Truncate(24 * time.Hour)
	for i, step := range []struct {
		org  string
		end  time.Time
		want []Reporter
	}{
		{"Kleine Post", day.AddDate(0, 0, -3), []Reporter{{"Kleine Post", day.AddDate(0, 0, -3)}}},
		{"Kleine Post", day.AddDate(0, 0, -9), []Reporter{{"Kleine Post", day.AddDate(0, 0, -3)}}},
		{"kleine post", day.AddDate(0, 0, -2), []Reporter{{"Kleine Post", day.AddDate(0, 0, -2)}}},
		{"google.com", day, []Reporter{{"Kleine Post", day.AddDate(0, 0, -2)}, {"google.com", day}}},
		{"google.com", now.Add(36 * time.Hour), []Reporter{{"Kleine Post", day.AddDate(0, 0, -2)}, {"google.com", now}}},
		{"other", day, []Reporter{{"Kleine Post", day.AddDate(0, 0, -2)}, {"google.com", now}}},
	} {
		c.about(step.end, "shop.example", false, step.org)
		c.check(ReporterMessages)
		for name, s := range map[string]*Snapshot{"before": c.Snapshot(), "after": open(t, c.file.copy(), c.config).Snapshot()} {
			if diff := cmp.Diff(step.want, s.Reporters); diff != "" {
				t.Errorf("step %d, %s a restart (-want +got):\n%s", i, name, diff)
			}
		}
	}
	commit(t, c.book, &delivery{entries: []*Entry{tlsEntry()}})
	if got := len(c.Snapshot().Reporters); got != 2 {
		t.Errorf("%d reporters, want 2: a TLS report is no aggregate report", got)
	}
}

// TestReporterEndsClock does not show for long what a clock noted that was ahead.
func TestReporterEndsClock(t *testing.T) {
	c := newTown(t, Config{Domains: []string{"shop.example"}})
	c.clock = now.AddDate(1, 0, 0)
	c.about(c.clock, "shop.example", false, "Kleine Post")
	c.clock = now
	if got := c.Snapshot().Reporters; len(got) != 0 {
		t.Errorf("reporters %v, want none", got)
	}
	c.about(now, "shop.example", false, "Kleine Post")
	if got := c.Snapshot().Reporters; len(got) != 1 || !got[0].LastEnd.Equal(now) {
		t.Errorf("reporters %v, want one until %s", got, now)
	}
}

// TestReporterEndsGiveUp shows none for reporters that gave their room back, and
// again when they come back; times are never added up.
func TestReporterEndsGiveUp(t *testing.T) {
	c := newTown(t, Config{Domains: []string{"shop.example"}, Budget: 1000})
	c.day("shop.example", false, "old.example")
	had := func() (had bool) {
		for _, r := range c.Snapshot().Reporters {
			if r.LastEnd.After(c.clock) || r.LastEnd.Before(now) {
				t.Errorf("the last report of %s ended at %s, now it is %s", r.Name, r.LastEnd, c.clock)
			}
			had = had || r.Name == "old.example"
		}
		return had
	}
	if !had() {
		t.Fatal("no last report of old.example")
	}
	steady := make([]string, 60)
	for i := range steady {
		steady[i] = fmt.Sprintf("steady-%d.example", i)
	}
	for range 6 {
		c.clock = c.clock.AddDate(0, 0, 1)
		c.day("shop.example", false, steady...)
		c.check(ReporterMessages)
	}
	if had() {
		t.Error("old.example kept its room")
	}
	c.clock = c.clock.AddDate(0, 0, idle+1)
	for range regular {
		c.clock = c.clock.AddDate(0, 0, 1)
		c.day("shop.example", false, "old.example")
		c.check(ReporterMessages)
	}
	if !had() {
		t.Error("old.example did not come back")
	}
}
