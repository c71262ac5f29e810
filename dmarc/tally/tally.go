package tally

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Config configures a Tally. Its zero value works.
type Config struct {
	// Horizon is how long identities are kept, and how old a report may be to
	// be counted; 0 means 400 days.
	Horizon time.Duration
	// Domains are ours; messages of others are counted under Foreign. Empty
	// learns domains from the policies in reports, within Budget.
	Domains []string
	// Budget is how many series may exist in all, those of configured domains
	// and of sources aside; 0 means DefaultBudget.
	Budget int
	// CountConflicts counts a report whose identity is known with other content.
	CountConflicts bool
	// SkipTwins does not count a report that differs from a known one in
	// nothing but its id.
	SkipTwins bool
	// Signers keeps SignerMessages for entries that have Entry.Signers: messages
	// by reporter, domain and the first DKIM and SPF domain of the record. It
	// takes half of the budget and serves dashboards that were made for
	// dmarc-metrics-exporter.
	Signers bool
	// MaxBytes bounds the file; commits fail once it is reached. 0 means no bound.
	MaxBytes int64
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Horizon <= 0 {
		c.Horizon = 400 * 24 * time.Hour
	}
	if c.Budget <= 0 {
		c.Budget = DefaultBudget
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Tally is an open state file. Close it.
type Tally struct {
	config     Config
	mine       map[string]bool
	budget     budget
	vocabulary vocabulary
	path       string
	db         *bolt.DB
	meta       meta

	requests chan *request
	stop     chan struct{}
	stopped  chan struct{}
	close    sync.Once

	// What follows is used by the writer alone.
	candidates [pools]candidates
	usual      int             // requests of the last batch
	took       time.Duration   // the last batch
	verified   map[uint32]bool // days whose identities were checked
	stale      bool            // a commit failed in a way that leaves open what is in the file
	damage     error           // the file turned out to be damaged

	mu      sync.RWMutex // guards what follows
	state   *state
	failure error // of the last transaction
}

// request is something that waits for its transaction.
type request struct {
	run  func(tx *bolt.Tx, d *delta) error
	done chan error
}

// ErrClosed is returned once the Tally is closed.
var ErrClosed = errors.New("the tally is closed")

// maxBatch bounds the requests of one transaction.
const maxBatch = 100

// Open opens or creates a state file. An error is a *StateError, which names
// the file and says what to do: a Tally never starts from zero in silence.
func Open(path string, config Config) (*Tally, error) {
	config = config.withDefaults()
	t := &Tally{
		config: config, mine: map[string]bool{}, budget: newBudget(config), vocabulary: newVocabulary(), path: path, verified: map[uint32]bool{},
		requests: make(chan *request), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	for _, domain := range config.Domains {
		t.mine[strings.TrimSuffix(strings.ToLower(strings.TrimSpace(domain)), ".")] = true
	}
	if err := t.open(); err != nil {
		return nil, err
	}
	go t.write()
	return t, nil
}

// Close waits for running commits and closes the file. Calls after the first
// do nothing.
func (t *Tally) Close() error {
	var err error
	t.close.Do(func() {
		close(t.stop)
		<-t.stopped
		if t.damage == nil { // bbolt may be stuck in a lock otherwise
			err = t.db.Close()
		}
	})
	return err
}

// Commit counts a delivery and returns what became of each entry, in order,
// once all of it is durable. With an error nothing of it is recorded, and the
// same delivery may be committed again. Concurrent commits share a
// transaction. When ctx ends before the delivery is part of one, Commit
// returns its error; after that it waits, because giving up would not say
// whether the delivery is counted.
func (t *Tally) Commit(ctx context.Context, d *Delivery) ([]Result, error) {
	results, err := t.CommitAll(ctx, d)
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// CommitAll is Commit for several deliveries in one transaction: all are
// recorded or none. It returns the results of each.
func (t *Tally) CommitAll(ctx context.Context, deliveries ...*Delivery) ([][]Result, error) {
	for _, delivery := range deliveries {
		if slices.Contains(delivery.Entries, nil) {
			panic("tally: a delivery with a nil entry")
		}
	}
	var all [][]Result
	err := t.do(ctx.Done(), func(tx *bolt.Tx, d *delta) error {
		all = make([][]Result, 0, len(deliveries))
		for _, delivery := range deliveries {
			results, err := t.deliver(tx, d, delivery)
			if err != nil {
				return err
			}
			all = append(all, results)
		}
		return nil
	})
	if err != nil {
		return nil, cause(ctx, err)
	}
	return all, nil
}

// errCancelled stands for the error of the context.
var errCancelled = errors.New("cancelled")

func cause(ctx context.Context, err error) error {
	if errors.Is(err, errCancelled) {
		return ctx.Err()
	}
	return err
}

// do runs f in the next transaction and waits until it is durable.
func (t *Tally) do(cancelled <-chan struct{}, f func(*bolt.Tx, *delta) error) error {
	select {
	case <-cancelled:
		return errCancelled
	default:
	}
	r := &request{run: f, done: make(chan error, 1)}
	select {
	case t.requests <- r:
		return <-r.done
	case <-t.stop:
		return ErrClosed
	case <-cancelled:
		return errCancelled
	}
}

// write runs one batch after the other until Close.
func (t *Tally) write() {
	defer close(t.stopped)
	for {
		select {
		case <-t.stop:
			return
		case first := <-t.requests:
			batch := t.gather(first)
			start := time.Now()
			err := t.commit(batch)
			t.usual, t.took = len(batch), time.Since(start)
			for _, r := range batch {
				r.done <- err
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
func (t *Tally) gather(first *request) []*request {
	batch := []*request{first}
	if t.usual == 1 {
		return t.takeWaiting(batch)
	}
	wait := time.NewTimer(min(t.took/4, maxWait))
	defer wait.Stop()
	for len(batch) < min(t.usual, maxBatch) {
		select {
		case r := <-t.requests:
			batch = append(batch, r)
		case <-wait.C:
			return t.takeWaiting(batch)
		}
	}
	return t.takeWaiting(batch)
}

// takeWaiting adds requests that wait already.
func (t *Tally) takeWaiting(batch []*request) []*request {
	for len(batch) < maxBatch {
		select {
		case r := <-t.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// commit runs one transaction for a batch. What is in memory changes only when
// it succeeds.
func (t *Tally) commit(batch []*request) error {
	if t.damage != nil {
		return t.damage
	}
	err := t.guarded(func() error {
		if t.stale {
			return t.reload()
		}
		return nil
	})
	if err == nil {
		err = t.guarded(func() error { return t.transact(batch) })
	}
	if errors.Is(err, ErrDamaged) {
		t.damage = err
	}
	t.mu.Lock()
	t.failure = err
	t.mu.Unlock()
	return err
}

func (t *Tally) transact(batch []*request) error {
	d := newDelta(t.state, t.config.Now().UTC())
	err := t.db.Update(func(tx *bolt.Tx) error {
		for _, r := range batch {
			if err := r.run(tx, d); err != nil {
				return err
			}
		}
		if err := t.expire(tx, d); err != nil {
			return err
		}
		d.totals.size = tx.Size()
		return d.save(tx)
	})
	if err != nil {
		// When the very last write failed the transaction may be in the file
		// or not: the file is asked before the next one.
		t.stale = true
		return t.writeError(err)
	}
	t.mu.Lock()
	d.apply()
	t.mu.Unlock()
	return nil
}

// reload replaces the state in memory by the one in the file.
func (t *Tally) reload() error {
	state, err := t.load()
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	t.mu.Lock()
	t.state = state
	t.mu.Unlock()
	t.stale = false
	return nil
}
