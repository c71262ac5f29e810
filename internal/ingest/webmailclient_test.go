package ingest

import (
	"net/http"
	"testing"
	"time"
)

// TestPauseOf reads a Retry-After as seconds or as a date in each of its forms.
func TestPauseOf(t *testing.T) {
	now := time.Date(2026, 11, 28, 22, 59, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-5": 0, "9999999999999": 24 * time.Hour, "soon": 0, "1.5": 0,
		"Sat, 28 Nov 2026 23:00:00 GMT":    time.Minute,
		"Saturday, 28-Nov-26 23:00:00 GMT": time.Minute,
		"Sat Nov 28 23:00:00 2026":         time.Minute,
		"Sat, 28 Nov 2026 22:00:00 GMT":    0,
		"Sat, 28 Nov 2026 23:00:00 CET":    0,
	} {
		if got := pauseOf(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	for after, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, 24 * time.Hour: 5 * time.Minute} {
		if got := retryAfter(&statusError{status: http.StatusTooManyRequests, after: after}); got != want {
			t.Errorf("%s is waited for %s, want %s", after, got, want)
		}
	}
}
