package store

import (
	"context"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// How often reports are dropped that are older than the retention: soon after
// the start, often while there are more, and every hour.
const (
	firstPrune = time.Minute
	nextPrune  = 100 * time.Millisecond
	laterPrune = time.Hour
	// pruneRows is how many rows one transaction drops, so that none takes long.
	pruneRows = 5000
)

// pruneSome drops some of what is too old, and returns when to go on. What goes
// wrong shows with the next commit.
func (s *Store) pruneSome(ctx context.Context) time.Duration {
	more := false
	err := s.commit(ctx, []*request{{run: func(w *writing) (err error) {
		more, err = w.prune()
		return err
	}}})
	if err == nil && !more {
		more = s.shrink(ctx)
	}
	if err == nil && more {
		return nextPrune
	}
	return laterPrune
}

// shrink gives some room back and reports whether there is more. If that fails
// nothing is lost, and the next transaction tells why.
func (s *Store) shrink(ctx context.Context) bool {
	more, err := s.db.Shrink(ctx)
	return more && err == nil
}

// Prune drops everything that is older than the retention, and rolls up what came
// since, in transactions between which commits go on. A Store does so by itself every
// hour.
func (s *Store) Prune(ctx context.Context) error {
	for more := true; more; {
		err := s.do(ctx, &request{run: func(w *writing) (err error) {
			more, err = w.prune()
			return err
		}})
		if err != nil {
			return err
		}
	}
	for more := true; more; {
		if err := s.between(ctx, func(ctx context.Context) { more = s.shrink(ctx) }); err != nil {
			return err
		}
	}
	for more := true; more; {
		if err := s.between(ctx, func(context.Context) { more = s.settle() }); err != nil {
			return err
		}
	}
	return s.between(ctx, nil) // The rollups are made before it.
}

// between runs a function of the writer between transactions.
func (s *Store) between(ctx context.Context, f func(context.Context)) error {
	return s.do(ctx, &request{run: func(*writing) error { return nil }, after: f})
}

// prune drops some reports and reports whether there may be more. When nothing
// is left to drop, it drops what no report uses any more.
func (w *writing) prune() (more bool, err error) {
	if w.doubt {
		return false, nil
	}
	oldest := w.delta.Now().Add(-w.store.config.Retention)
	dropped, err := w.tx.DropReports(tally.DayOf(oldest), pruneRows)
	if err != nil || dropped > 0 {
		w.store.pruned = w.store.pruned || dropped > 0
		w.dropped = w.dropped || dropped > 0
		if err == nil {
			err = w.tx.DropBefore(tableRollups, int64(tally.DayOf(oldest)))
		}
		return dropped > 0, err
	}
	if !w.store.pruned {
		return false, nil
	}
	w.store.pruned, w.unused = false, true
	// What was known to be kept may be dropped.
	clear(w.store.known.months)
	clear(w.store.known.senders)
	return false, w.tx.DropUnused(monthOf(oldest))
}
