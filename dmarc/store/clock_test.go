package store

import (
	"errors"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	const day = 24 * time.Hour
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	last := built.Add(20 * day)
	type reading struct {
		elapsed time.Duration
		now     time.Time
		doubt   bool
	}
	for _, tt := range []struct {
		name     string
		last     time.Time
		readings []reading
	}{
		{"first, before the build", time.Time{}, []reading{{0, built.Add(-2 * day), true}, {10 * day, built.Add(-1 * day).Add(-time.Second), true}}},
		{"first, after the build", time.Time{}, []reading{{0, built, false}, {time.Hour, built.Add(time.Hour), false}}},
		{"first, years after the build", time.Time{}, []reading{{0, built.Add(9 * 365 * day), false}}},
		{"first, a lifetime after the build", time.Time{}, []reading{{0, built.Add(11 * 365 * day), true}}},
		{"soon after the last report", last, []reading{{0, last.Add(time.Hour), false}}},
		{"a little before it", last, []reading{{0, last.Add(-23 * time.Hour), false}}},
		{"days before it", last, []reading{{0, last.Add(-25 * time.Hour), true}, {time.Hour, last.Add(time.Hour), false}}},
		{"long after it", last, []reading{{0, last.Add(31 * day), true}, {time.Hour, last.Add(time.Hour), false}}},
		{"long after it, of a program that is new", built.Add(-300 * day), []reading{{0, built.Add(29 * day), false}}},
		{"set forward", last, []reading{{0, last, false}, {time.Hour, last.Add(26 * time.Hour), true}, {2 * time.Hour, last.Add(2 * time.Hour), false}}},
		{"set back", last, []reading{{0, last, false}, {time.Hour, last.Add(-24 * time.Hour), true}, {2 * time.Hour, last.Add(2 * time.Hour), false}}},
		{"set a little", last, []reading{{0, last, false}, {time.Hour, last.Add(24 * time.Hour), false}, {2 * time.Hour, last.Add(-20 * time.Hour), false}}},
		{"set for good", last, []reading{
			{0, last, false},
			{time.Hour, last.Add(20 * day), true},
			{6 * time.Hour, last.Add(20*day + 5*time.Hour), true},
			{7 * time.Hour, last.Add(20*day + 6*time.Hour), false},
			{8 * time.Hour, last.Add(20*day + 7*time.Hour), false},
		}},
		{"set again and again", last, []reading{
			{0, last, false}, {5 * time.Hour, last.Add(20 * day), true}, {10 * time.Hour, last.Add(40 * day), true}, {15 * time.Hour, last.Add(60 * day), true},
		}},
		{"asleep every night", last, []reading{
			{0, last, false},
			{16 * time.Hour, last.Add(16 * time.Hour), false},
			{16*time.Hour + 1, last.Add(24 * time.Hour), false},
			{32 * time.Hour, last.Add(40 * time.Hour), false},
			{32*time.Hour + 1, last.Add(48 * time.Hour), false},
			{48 * time.Hour, last.Add(64 * time.Hour), false},
			{48*time.Hour + 1, last.Add(72 * time.Hour), false},
			{64 * time.Hour, last.Add(88 * time.Hour), false},
			{64*time.Hour + 1, last.Add(96 * time.Hour), false},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			elapsed := time.Duration(0)
			c := newClock(Clock{Built: built, Elapsed: func() time.Duration { return elapsed }})
			for i, r := range tt.readings {
				elapsed = r.elapsed
				if err := c.check(r.now, tt.last); errors.Is(err, ErrClock) != r.doubt {
					t.Errorf("reading %d: %v, want doubt %t", i, err, r.doubt)
				}
			}
		})
	}
}

// TestClockUnknown believes every clock when nobody says when the program was built.
func TestClockUnknown(t *testing.T) {
	if err := newClock(Clock{}).check(time.Unix(0, 0), time.Now()); err != nil {
		t.Error(err)
	}
}
