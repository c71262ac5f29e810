package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// request is something that waits for its transaction.
type request struct {
	// deliveries are those that run counts.
	deliveries []*Delivery
	run        func(w *writing) error
	// after runs after the transaction; nil does nothing.
	after func(ctx context.Context)
	done  chan error
}

// maxTries is how often a transaction is begun when other processes are faster.
const maxTries = 5

// maxBatch bounds the requests of one transaction, and maxEntries the reports
// that make it take no more.
const (
	maxBatch   = 500
	maxEntries = 3000
)

// do runs a request in the next transaction and waits until it is durable.
func (s *Store) do(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.done = make(chan error, 1)
	select {
	case s.requests <- r:
		return <-r.done
	case <-s.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write runs one batch after the other until Close.
func (s *Store) write(ctx context.Context) {
	defer close(s.stopped)
	prune := time.NewTimer(firstPrune)
	defer prune.Stop()
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	var refresh <-chan time.Time
	if s.db.Shared() {
		ticker := time.NewTicker(s.config.Refresh)
		defer ticker.Stop()
		refresh = ticker.C
	}
	var old sync.Once
	for {
		select {
		case <-s.stop:
			return
		case <-prune.C:
			next := s.pruneSome(ctx)
			if more := s.settle(); s.rollUpDue(ctx) == nil && more {
				next = nextPrune
			}
			prune.Reset(next)
			if !s.config.Once {
				// What goes wrong shows with the next transaction.
				old.Do(func() { s.old.Go(func() { _ = s.RollUp(reading) }) })
			}
		case <-refresh:
			// What goes wrong is told by Snapshot.
			_ = s.commit(ctx, []*request{{run: func(*writing) error { return nil }}})
		case first := <-s.requests:
			batch := s.gather(first)
			start := time.Now()
			err := s.commit(ctx, batch)
			s.usual, s.took = len(batch), time.Since(start)
			for _, r := range batch {
				r.done <- err
			}
			if err == nil {
				// What goes wrong shows with the next transaction.
				_ = s.rollUpDue(ctx)
			}
		}
	}
}

// maxWait bounds how long a request waits for others to share a transaction with.
const maxWait = 50 * time.Millisecond

// gather takes what is waiting besides the first request. Those that come
// while a transaction is being synced are the next batch, so a batch grows with
// the load. Whoever was answered last is given a moment to come again: a
// quarter of what a transaction takes. A lone request never waits.
func (s *Store) gather(first *request) []*request {
	batch := []*request{first}
	if s.usual == 1 {
		return s.takeWaiting(batch)
	}
	wait := time.NewTimer(min(s.took/4, maxWait))
	defer wait.Stop()
	for roomFor(batch) && len(batch) < s.usual {
		select {
		case r := <-s.requests:
			batch = append(batch, r)
		case <-wait.C:
			return s.takeWaiting(batch)
		}
	}
	return s.takeWaiting(batch)
}

// takeWaiting adds requests that wait already.
func (s *Store) takeWaiting(batch []*request) []*request {
	for roomFor(batch) {
		select {
		case r := <-s.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// roomFor reports whether a batch may have one request more.
func roomFor(batch []*request) bool {
	entries := 0
	for _, r := range batch {
		for _, d := range r.deliveries {
			entries += len(d.Entries)
		}
	}
	return len(batch) < maxBatch && entries < maxEntries
}

// commit runs one transaction for a batch. What is in memory changes only when
// it succeeds.
func (s *Store) commit(ctx context.Context, batch []*request) error {
	if s.damage != nil {
		return s.damage
	}
	err := ErrConflict
	for tries := 0; errors.Is(err, ErrConflict) && tries < maxTries; tries++ {
		err = nil
		if s.stale && !s.db.Shared() { // A shared one is behind after each error.
			err = s.reload(ctx)
		}
		if err == nil {
			err = s.transact(ctx, batch)
		}
	}
	if errors.Is(err, ErrDamaged) {
		s.damage = err
	}
	s.mu.Lock()
	if s.failure = err; err == nil {
		s.reached = time.Now()
	}
	s.mu.Unlock()
	return err
}

// transact runs one transaction.
func (s *Store) transact(ctx context.Context, batch []*request) error {
	var w *writing
	var delta *tally.Delta
	var doubt error
	begin := func() error {
		delta = s.tally.Begin()
		if doubt = s.believe(delta.Now()); counting(batch) {
			return doubt
		}
		return nil
	}
	if s.ledger != nil { // Something was loaded.
		if err := begin(); err != nil {
			return err
		}
	}
	err := s.db.Update(ctx, func(tx Tx) error {
		if tx.Behind() {
			if err := s.catchUp(ctx, tx); err != nil {
				return err
			}
			if err := begin(); err != nil {
				return err
			}
		}
		w = s.begin(tx, delta)
		w.doubt = doubt != nil
		for _, r := range batch {
			if err := w.prepare(r.deliveries); err != nil {
				return err
			}
		}
		for _, r := range batch {
			if err := r.run(w); err != nil {
				return err
			}
		}
		return w.save()
	})
	if err != nil {
		// When the very last write failed the transaction may be in the database
		// or not: it is asked before the next one.
		s.stale = true
		return err
	}
	s.stale = false
	s.tally.Apply(w.delta)
	w.ledger.apply()
	if counting(batch) {
		s.counted(delta.Now())
	}
	s.known.add(w.keep.new)
	s.noteLate(w.keep.reports)
	for i := range w.kept {
		s.filters.keep(w.kept[i].Key, w.kept[i].Digests)
	}
	for _, r := range batch {
		if r.after != nil {
			r.after(ctx)
		}
	}
	s.measure(ctx)
	return nil
}

// counting reports whether a batch has deliveries.
func counting(batch []*request) bool {
	return slices.ContainsFunc(batch, func(r *request) bool { return len(r.deliveries) > 0 })
}

// believe returns an error when the time cannot be right.
func (s *Store) believe(now time.Time) error {
	s.mu.RLock()
	last := s.last
	s.mu.RUnlock()
	return s.clock.check(now, last)
}

// counted notes when a delivery was committed.
func (s *Store) counted(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = later(at, s.last)
}

// measure notes the size of the database, which need not be asked for with
// each transaction.
func (s *Store) measure(ctx context.Context) {
	const often = 10 * time.Second
	size := int64(-1)
	if now := time.Now(); now.Sub(s.measured) >= often {
		s.measured = now
		if n, err := s.db.Size(ctx); err == nil { // The next transaction tells what is wrong.
			size = n
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identities = s.ledger.totals[totalIdentities]
	if size >= 0 {
		s.size = size
	}
}

// reload replaces what is in memory by what is in the database.
func (s *Store) reload(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	s.stale = false
	return nil
}
