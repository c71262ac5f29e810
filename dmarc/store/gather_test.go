package store

import (
	"slices"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// TestClasses has a number for every class that a record may have.
func TestClasses(t *testing.T) {
	if !slices.Equal(classes[:], tally.Classes()) {
		t.Errorf("classes %v, want %v", classes, tally.Classes())
	}
}
