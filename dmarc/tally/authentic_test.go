package tally

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// TestAuthenticDecides lets forged reports come before, between and after
// authentic ones: while these come, only they say what is published and when a
// period ended last, and their messages are known apart.
func TestAuthenticDecides(t *testing.T) {
	clock := now
	tally := open(t, path(t), Config{Domains: []string{"shop.example"}, Now: func() time.Time { return clock }})
	n := 0
	for _, step := range []struct {
		name      string
		after     int // days
		authentic bool
		policy    dmarc.Disposition
		ends      time.Duration // before the clock
		want      dmarc.Disposition
	}{
		{"forged, and the first", 0, false, "none", 0, "none"},
		{"authentic, about an earlier day", 0, true, "reject", 24 * time.Hour, "reject"},
		{"forged", 0, false, "none", 0, "reject"},
		{"forged, days later", 5, false, "none", 0, "reject"},
		{"authentic", 1, true, "quarantine", 24 * time.Hour, "quarantine"},
		{"authentic, late", 0, true, "none", 48 * time.Hour, "quarantine"},
		{"forged, weeks later", 10, false, "none", 0, "quarantine"},
		{"not authentic, long after the last that was", 5, false, "none", 24 * time.Hour, "none"},
		{"authentic again", 1, true, "reject", 72 * time.Hour, "reject"},
	} {
		clock = clock.AddDate(0, 0, step.after)
		n++
		e := unique(n)
		e.Authentic, e.Policy.P, e.End = step.authentic, step.policy, clock.Add(-step.ends)
		e.Begin = e.End.Add(-24 * time.Hour)
		commit(t, tally, &delivery{entries: []*Entry{e}})
		d := tally.Snapshot().Domains[0]
		if d.Policy.P != step.want {
			t.Errorf("%s: policy %s, want %s", step.name, d.Policy.P, step.want)
		}
		if step.want == step.policy && !d.LastEnd.Equal(e.End) {
			t.Errorf("%s: last end %s, want %s", step.name, d.LastEnd, e.End)
		}
	}
	want := map[string]int64{"shop.example," + string(ClassAlignedBoth): 28, "shop.example," + string(ClassUnauthenticated): 12}
	if diff := cmp.Diff(want, sumsOf(tally.Snapshot(), AuthenticMessages)); diff != "" {
		t.Errorf("authentic messages (-want +got):\n%s", diff)
	}
}

// TestAuthenticWins counts an authentic report whose identity somebody knew in
// advance and took, once, and no other one after it.
func TestAuthenticWins(t *testing.T) {
	tally := open(t, path(t), Config{})
	for i, step := range []struct {
		digest    byte
		authentic bool
		want      Outcome
		counted   int64
	}{
		{1, false, OutcomeCounted, 10},
		{2, false, OutcomeConflict, 10},
		{3, true, OutcomeConflict, 20},
		{3, true, OutcomeDuplicate, 20},
		{3, false, OutcomeDuplicate, 20},
		{4, true, OutcomeConflict, 20},
		{5, false, OutcomeConflict, 20},
	} {
		e := entry(func(e *Entry) { e.Digest[0], e.Authentic = step.digest, step.authentic })
		if got := commit(t, tally, &delivery{entries: []*Entry{e}}); got[0] != step.want {
			t.Errorf("step %d: %s, want %s", i, got[0], step.want)
		}
		if got := total(tally.Snapshot(), Messages); got != step.counted {
			t.Errorf("step %d: %d messages, want %d", i, got, step.counted)
		}
	}
}

// TestAuthenticConfirms knows the messages of a report as authentic, once, that
// somebody sent before its reporter did.
func TestAuthenticConfirms(t *testing.T) {
	tally := open(t, path(t), Config{Domains: []string{"shop.example"}})
	for i, step := range []struct {
		authentic bool
		want      Outcome
		known     int64
	}{{false, OutcomeCounted, 0}, {true, OutcomeDuplicate, 10}, {true, OutcomeDuplicate, 10}, {false, OutcomeDuplicate, 10}} {
		e := entry(func(e *Entry) { e.Authentic = step.authentic })
		if got := commit(t, tally, &delivery{entries: []*Entry{e}}); got[0] != step.want {
			t.Errorf("step %d: %s, want %s", i, got[0], step.want)
		}
		s := tally.Snapshot()
		if total(s, Messages) != 10 || total(s, AuthenticMessages) != step.known {
			t.Errorf("step %d: %d messages, %d of them authentic, want 10 and %d", i, total(s, Messages), total(s, AuthenticMessages), step.known)
		}
		if total(s, ReporterMessages) != 10 || total(s, AuthenticReporterMessages) != step.known {
			t.Errorf("step %d: %d messages of the reporter, %d of them authentic, want 10 and %d", i, total(s, ReporterMessages), total(s, AuthenticReporterMessages), step.known)
		}
	}
}

// TestAuthenticSpelling gives a label the spelling of its owner.
func TestAuthenticSpelling(t *testing.T) {
	c := newTown(t, Config{Domains: []string{"shop.example"}})
	c.day("shop.example", false, "KLEINE POST")
	c.day("shop.example", true, "Kleine Post")
	c.day("shop.example", false, "KLEINE POST")
	c.day("shop.example", true, "kleine post")
	if got := c.check(ReporterMessages); got["Kleine Post"] != 30 || got[Other] != 10 || len(got) != 2 {
		t.Errorf("%v", got)
	}
}
