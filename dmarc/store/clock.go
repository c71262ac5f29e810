package store

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrClock says, inside an *Error, that the clock cannot be right. Until it is,
// or has gone on evenly for some hours, nothing is counted, expired or dropped.
var ErrClock = errors.New("implausible clock")

// Clock is what a Store judges its clock by. The zero value believes it.
type Clock struct {
	// Built is when the program was built: no later clock shows an earlier time.
	// The zero time believes every clock.
	Built time.Time
	// Elapsed is a clock that nobody can set; nil means that of the system.
	Elapsed func() time.Duration
}

const (
	// clockJump is how far a clock may be set without doubt, and how far it may
	// be behind what it was when a report was counted last.
	clockJump = 24 * time.Hour
	// clockGap is how long no report may have been counted before the start.
	clockGap = 30 * 24 * time.Hour
	// clockFirst is how old a program may be that counts for the first time.
	clockFirst = 10 * 365 * 24 * time.Hour
	// clockProof is how long a clock must go on evenly, which is within
	// clockEven, to be believed against all of these.
	clockProof = 6 * time.Hour
	clockEven  = time.Hour
)

// clock judges readings of a clock. What would be done by a single wrong one can
// not be taken back: reports are too old, identities and days are dropped.
type clock struct {
	Clock
	mu sync.Mutex
	// believed and read say when Elapsed began by the clock that is believed,
	// and by the clock as it is.
	believed, read time.Time
	since          time.Duration // since when it reads so
}

func newClock(c Clock) *clock {
	if c.Elapsed == nil {
		start := time.Now()
		c.Elapsed = func() time.Duration { return time.Since(start) }
	}
	return &clock{Clock: c}
}

// check returns an error when the clock cannot be believed. last is when a
// report was counted last.
func (c *clock) check(now, last time.Time) error {
	if c.Built.IsZero() {
		return nil
	}
	now = now.Round(0).UTC() // without the monotonic clock, which is Elapsed
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.Built.Add(-clockJump)) {
		return implausible(now, "this program was built at %s", c.Built)
	}
	at := c.Elapsed()
	start := now.Add(-at)
	if c.read.IsZero() || apart(start, c.read) > clockEven {
		c.read, c.since = start, at
	}
	if at-c.since >= clockProof {
		c.believed = start
	}
	if c.believed.IsZero() {
		if err := c.first(now, last); err != nil {
			return err
		}
		c.believed = start
	}
	if jump := apart(start, c.believed); jump > clockJump {
		return implausible(now, "it was set by %s", jump.Round(time.Minute))
	}
	return nil
}

// first judges the first readings.
func (c *clock) first(now, last time.Time) error {
	switch {
	case last.IsZero():
		if now.Sub(c.Built) > clockFirst {
			return implausible(now, "this program was built at %s", c.Built)
		}
	case now.Before(last.Add(-clockJump)), now.Sub(later(last, c.Built)) > clockGap:
		return implausible(now, "a report was counted last at %s", last)
	}
	return nil
}

func implausible(now time.Time, why string, value any) error {
	if t, ok := value.(time.Time); ok {
		value = t.UTC().Format(time.RFC3339)
	}
	return &Error{
		Name: "the clock of this machine", Doing: "believe",
		Err:    fmt.Errorf("%w: it shows %s, but "+why, ErrClock, now.Format(time.RFC3339), value),
		Advice: "set it; until it is right, or has gone on evenly for " + fmt.Sprint(clockProof.Hours()) + " hours, all inputs wait and nothing is deleted",
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// apart returns how far two times are from each other.
func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }
