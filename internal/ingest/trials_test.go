package ingest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// TestTrials goes through outages and damage by a clock of its own.
func TestTrials(t *testing.T) {
	damage := &ingest.InputError{Err: errors.New("damaged")}
	outage := errors.New("502")
	for _, tt := range []struct {
		name   string
		err    error
		every  time.Duration
		span   time.Duration
		giveUp bool
	}{
		{"outage of a minute", outage, time.Second, time.Minute, false},
		{"outage of an hour", outage, time.Second, time.Hour, false},
		{"outage of a week", outage, time.Minute, 7 * 24 * time.Hour, false},
		{"damage for a minute", damage, time.Second, time.Minute, false},
		{"damage for an hour", damage, time.Second, time.Hour, false},
		{"damage for a day less a minute", damage, time.Minute, 24*time.Hour - time.Minute, false},
		{"damage for a day", damage, time.Minute, 24 * time.Hour, true},
		{"damage for a day, tried twice", damage, 24 * time.Hour, 24 * time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			trials := ingest.NewTrials[int](ingest.Options{Now: func() time.Time { return now }}.WithDefaults())
			for end := now.Add(tt.span); !now.After(end); now = now.Add(tt.every) {
				trials.Failed(1, tt.err)
			}
			now = now.Add(-tt.every)
			if got := trials.GiveUp(1); got != tt.giveUp {
				t.Errorf("give up: %v, want %v after %d attempts", got, tt.giveUp, trials.Attempts(1))
			}
			if trials.GiveUp(2) || trials.Pausing(2) {
				t.Error("another input is affected")
			}
			if !trials.Pausing(1) {
				t.Error("no pause after a failure")
			}
			now = now.Add(time.Hour)
			if trials.Pausing(1) {
				t.Error("a pause of more than an hour")
			}
			trials.Done(1)
			if trials.Attempts(1) != 0 || trials.GiveUp(1) {
				t.Error("attempts after the end")
			}
		})
	}
}
