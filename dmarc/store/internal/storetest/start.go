package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// StartAtOnce opens a database several times at once: one opens it, the others
// are told that it is locked.
func StartAtOnce(t *testing.T, engine store.Engine, config tally.Config) {
	t.Helper()
	var opened, locked atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := TryOpen(engine, config)
			switch {
			case err == nil:
				opened.Add(1)
				t.Cleanup(func() { Close(t, s) })
			case errors.Is(err, store.ErrLocked):
				locked.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if opened.Load() != 1 || locked.Load() != 3 {
		t.Errorf("%d opened and %d were locked out, want 1 and 3", opened.Load(), locked.Load())
	}
}
