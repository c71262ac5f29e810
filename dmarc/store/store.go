package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Config configures a Store. Its zero value works.
type Config struct {
	// Counts says what is counted, and how.
	Counts tally.Config
	// Records says what is kept of reports beside the counts: with RecordsOff
	// nothing is, not even of refusals.
	Records Records
	// Retention is how long reports are kept after the end of their period; 0
	// means 400 days. Counts do not change when reports are dropped.
	Retention time.Duration
	// Clock says when the clock of Counts is not believed.
	Clock Clock
	// Once makes a store that is filled and asked once: no rollups are made.
	Once bool
	// Refresh is how often the counts of other processes are looked for when
	// they write the database, too (postgres.Database.Shared); 0 means 5 seconds.
	Refresh time.Duration
}

// Store is an open store. Close it. Its methods are safe for concurrent use.
type Store struct {
	config   Config
	db       Database
	tally    *tally.Tally
	clock    *clock
	requests chan *request
	stop     chan struct{}
	old      sync.WaitGroup // RollUp for what an older version has kept
	stopped  chan struct{}
	close    sync.Once

	// What follows is used by the writer alone.
	ledger   *ledger
	known    *known
	pruned   bool               // reports were dropped, but not yet what no other one uses
	verified map[tally.Day]bool // days whose identities were checked
	filters  filters
	boxes    *boxes
	usual    int               // requests of the last batch
	took     time.Duration     // the last batch
	measured time.Time         // when the size was asked for
	late     late              // records that no rollup has
	due      map[rollupOf]bool // rollups
	stale    bool              // a commit failed in a way that leaves open what is in the database
	damage   error             // the database turned out to be damaged

	mu         sync.RWMutex // guards what follows
	failure    error        // of the last transaction
	unread     error        // why what sources asked for last could not be read
	reached    time.Time    // when a transaction succeeded last
	last       time.Time    // when a delivery was committed last
	identities int64
	size       int64
}

// Open opens a store in the database of an engine, and creates it where there
// is none. An error is an *Error, which names the database and says what to do:
// a Store never starts from zero in silence.
func Open(ctx context.Context, engine Engine, config Config) (*Store, error) {
	if config.Counts.Now == nil {
		config.Counts.Now = time.Now
	}
	if config.Retention <= 0 {
		config.Retention = 400 * 24 * time.Hour
	}
	if config.Refresh <= 0 {
		config.Refresh = 5 * time.Second
	}
	db, err := engine.Open(ctx, Meta{config.Counts.Now().UnixMilli(), generation()})
	if err != nil {
		return nil, err
	}
	s := &Store{
		config: config, db: db, tally: tally.New(config.Counts), clock: newClock(config.Clock),
		known: newKnown(), boxes: newBoxes(), verified: map[tally.Day]bool{},
		late: late{}, due: map[rollupOf]bool{},
		requests: make(chan *request), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	go s.write(context.WithoutCancel(ctx))
	return s, nil
}

func generation() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// start loads what is committed and begins the series that always exist.
func (s *Store) start(ctx context.Context) error {
	if !s.db.Shared() {
		if err := s.load(ctx); err != nil {
			return err
		}
	}
	return s.transact(ctx, []*request{{run: func(w *writing) error {
		w.delta.BeginSeries()
		return nil
	}}})
}

// Close waits for running commits and closes the database. Calls after the
// first do nothing.
func (s *Store) Close() error {
	var err error
	s.close.Do(func() {
		close(s.stop)
		<-s.stopped
		s.old.Wait()
		err = s.db.Close()
	})
	return err
}

// Commit keeps and counts a delivery and returns what became of each entry, in
// order, once all of it is durable. With an error nothing of it is recorded as
// far as is known, and the same delivery may be committed again. Concurrent
// commits share a transaction. When ctx ends before the delivery is part of
// one, Commit returns its error; after that it waits, because giving up would
// not tell whether the delivery is counted.
func (s *Store) Commit(ctx context.Context, d *Delivery) ([]tally.Result, error) {
	results, err := s.CommitAll(ctx, d)
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// CommitAll is Commit for several deliveries in one transaction: all are
// recorded or none. It returns the results of each.
func (s *Store) CommitAll(ctx context.Context, deliveries ...*Delivery) ([][]tally.Result, error) {
	results, _, err := s.commitAll(ctx, deliveries, false)
	return results, err
}

// FillAll is CommitAll for reports that may have been counted before: details
// that are missing of those are added, such as those of reports that were
// counted when no records were kept. Nothing is counted again. Of deliveries
// only the reports are recorded: no refusals, no marks, and no outcome of
// authentication. It also returns of how many reports details were added.
func (s *Store) FillAll(ctx context.Context, deliveries ...*Delivery) (results [][]tally.Result, filled int, err error) {
	return s.commitAll(ctx, deliveries, true)
}

func (s *Store) commitAll(ctx context.Context, deliveries []*Delivery, fill bool) (all [][]tally.Result, filled int, err error) {
	for _, delivery := range deliveries {
		if slices.Contains(delivery.Entries, nil) {
			panic("store: a delivery with a nil entry")
		}
	}
	err = s.do(ctx, &request{deliveries: deliveries, run: func(w *writing) error {
		all, filled = make([][]tally.Result, 0, len(deliveries)), 0
		for _, delivery := range deliveries {
			if !fill {
				all = append(all, w.deliver(delivery))
				continue
			}
			results, n, err := w.fill(delivery)
			if err != nil {
				return err
			}
			all, filled = append(all, results), filled+n
		}
		return nil
	}})
	if err != nil {
		return nil, 0, err
	}
	return all, filled, nil
}

// Peek returns what Commit would answer for an entry now, and changes nothing.
func (s *Store) Peek(ctx context.Context, e *tally.Entry) (tally.Result, error) {
	d := s.tally.Begin()
	if err := s.believe(d.Now()); err != nil {
		return tally.Result{}, err
	}
	if d.Timely(e) {
		if err := s.read(ctx, s.db.Identities(ctx, []tally.Key{e.Key()}, d.Know)); err != nil {
			return tally.Result{}, err
		}
	}
	return d.Recognise(e), nil
}

// SetDomains replaces Config.Counts.Domains and Tenants: commits that begin from
// now on are counted by them. With an error nothing has changed.
func (s *Store) SetDomains(ctx context.Context, domains []string, tenants ...tally.Tenant) error {
	return s.do(ctx, &request{
		run: func(w *writing) error {
			w.delta.BeginSeries(tenants...)
			return nil
		},
		after: func(context.Context) { s.tally.SetDomains(domains, tenants...) },
	})
}

// Reached returns when the last transaction succeeded. Where other processes write
// the database, too, there is one at least every Config.Refresh.
func (s *Store) Reached() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.reached
}

// read notes whether the database could be read: a source that cannot ask for its
// marks never comes to a transaction that would fail.
func (s *Store) read(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		s.mu.Lock()
		s.unread = err
		s.mu.Unlock()
	}
	return err
}

// SQL returns a handle for reading what is committed, such as the views that
// docs/store.md describes. It cannot write, and it is closed with the Store.
// Parameters are $1, $2 and so on with every engine.
func (s *Store) SQL() *sql.DB { return s.db.SQL() }

// Snapshot returns the committed counts: nothing in them can be lost by a crash.
// Those of other processes are as of the last commit or Config.Refresh.
func (s *Store) Snapshot() *tally.Snapshot {
	snapshot := s.tally.Snapshot()
	meta := s.db.Meta()
	snapshot.Created, snapshot.Generation = time.UnixMilli(meta.Created).UTC(), meta.Generation
	snapshot.Delay.Created = snapshot.Created
	snapshot.Clock = s.believe(s.config.Counts.Now())
	s.mu.RLock()
	defer s.mu.RUnlock()
	snapshot.Identities, snapshot.Bytes, snapshot.Err = s.identities, s.size, cmp.Or(s.failure, s.unread)
	return snapshot
}
