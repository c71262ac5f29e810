package tally

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
	// learns domains from the reports, within Budget.
	Domains []string
	// Budget is how many series may exist in all; 0 means 2000. Configured
	// domains are admitted even beyond it.
	Budget int
	// CountConflicts counts a report whose identity is known with other content.
	CountConflicts bool
	// SkipTwins does not count a report that differs from a known one in
	// nothing but its id.
	SkipTwins bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Tally is an open state file. Close it.
type Tally struct {
	config Config
	mine   map[string]bool
	budget budget
	db     *bolt.DB
	path   string
	meta   meta

	requests chan *request
	stop     chan struct{}
	stopped  chan struct{}
	close    sync.Once

	candidates candidates // used by the writer alone

	mu    sync.RWMutex // guards state
	state *state
}

// request is a delivery that waits for its transaction.
type request struct {
	delivery *Delivery
	results  []Result
	done     chan error
}

// ErrClosed is returned by Commit once the Tally is closed.
var ErrClosed = errors.New("the tally is closed")

// maxBatch bounds the deliveries of one transaction.
const maxBatch = 100

// Open opens or creates a state file. A file that is damaged, of another
// version or in use is a *StateError that says what to do: a Tally never
// starts from zero in silence.
func Open(path string, config Config) (*Tally, error) {
	if config.Horizon <= 0 {
		config.Horizon = 400 * 24 * time.Hour
	}
	if config.Budget <= 0 {
		config.Budget = 2000
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	t := &Tally{
		config: config, mine: map[string]bool{}, budget: newBudget(config.Budget), path: path,
		requests: make(chan *request), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	for _, domain := range config.Domains {
		t.mine[strings.TrimSuffix(strings.ToLower(domain), ".")] = true
	}
	if err := t.open(); err != nil {
		return nil, err
	}
	go t.write()
	return t, nil
}

// Close waits for running commits and closes the file.
func (t *Tally) Close() error {
	var err error
	t.close.Do(func() {
		close(t.stop)
		<-t.stopped
		err = t.db.Close()
	})
	return err
}

// Commit counts a delivery and returns what became of each entry, in order,
// once all of it is durable. With an error nothing of it is, and /metrics and
// the next Commit see none of it. Concurrent commits share a transaction.
func (t *Tally) Commit(ctx context.Context, d *Delivery) ([]Result, error) {
	r := &request{delivery: d, done: make(chan error, 1)}
	select {
	case t.requests <- r:
	case <-t.stop:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// Once accepted the outcome is certain to come, and must be known: giving
	// up now would not say whether the delivery is counted.
	if err := <-r.done; err != nil {
		return nil, err
	}
	return r.results, nil
}

// write commits batches, one at a time, until Close.
func (t *Tally) write() {
	defer close(t.stopped)
	for {
		select {
		case <-t.stop:
			return
		case first := <-t.requests:
			t.commitBatch(t.gather(first))
		}
	}
}

// gather takes what is waiting besides the first request. Those that come
// while a transaction is being synced are the next batch.
func (t *Tally) gather(first *request) []*request {
	batch := []*request{first}
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

// commitBatch runs one transaction for a batch and answers every request.
func (t *Tally) commitBatch(batch []*request) {
	d := newDelta(t.state, t.config.Now().UTC())
	err := t.update(d, batch)
	if err == nil {
		t.mu.Lock()
		d.apply()
		t.mu.Unlock()
	} else {
		err = &StateError{Path: t.path, Doing: "write", Err: err}
	}
	for _, r := range batch {
		r.done <- err
	}
}

// update writes a batch. A file that is damaged behind our back panics or
// faults in bbolt; that fails the batch, not the process.
func (t *Tally) update(d *delta, batch []*request) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("damaged: %v", v)
		}
	}()
	return t.db.Update(func(tx *bolt.Tx) error {
		for _, r := range batch {
			if err := t.commitDelivery(tx, d, r); err != nil {
				return err
			}
		}
		if err := t.expire(tx, d.now); err != nil {
			return err
		}
		return d.save(tx)
	})
}

func (t *Tally) commitDelivery(tx *bolt.Tx, d *delta, r *request) error {
	keys := transaction{tx}
	r.results = make([]Result, 0, len(r.delivery.Entries))
	for _, e := range r.delivery.Entries {
		result, err := t.count(d, keys, e, r.delivery.Auth)
		if err != nil {
			return err
		}
		r.results = append(r.results, result)
	}
	for _, reason := range r.delivery.Refused {
		d.refuse(reason)
	}
	return keys.note(r.delivery)
}
