package ingest_test

import (
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// TestKnownLimits shows what SECURITY.md says that nobody is defended against, so
// that it is not forgotten once somebody is.
func TestKnownLimits(t *testing.T) {
	t.Parallel()
	s := newSiege(t, 1)
	messages := func(f tally.Family) (n int64) {
		for _, one := range s.counts.Snapshot().Series[f] {
			n += one.Value
		}
		return n
	}
	deliver := func(signed string, c claim, all, authentic int64) {
		t.Helper()
		s.deliver(t, s.letter(signed, "google.com", c.text()))
		if a, b := messages(tally.ClassMessages), messages(tally.AuthenticMessages); a != all || b != authentic {
			t.Errorf("%d messages, %d of them authentic, want %d and %d", a, b, all, authentic)
		}
	}
	guessed := claim{org: "google.com", email: "dmarc@google.com", id: "guess", domain: "shop.example", policy: "none", end: s.clock, count: 7}
	deliver("", guessed, 7, 0) // Nobody knows better, so it counts.
	honest := guessed
	honest.count = 5000
	deliver("", honest, 7, 0) // It came later, and nothing says that it is the true one.
	wrong := honest
	wrong.id = "wrong"
	deliver("google.com", wrong, 5007, 5000) // Its own numbers are believed.
}
