package storetest

import (
	"context"
	"sync/atomic"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// Faulty is an engine whose transactions can be made to fail.
type Faulty struct {
	store.Engine
	// Before runs inside of each transaction, before it is committed; an error
	// rolls it back. After runs when it is committed; an error hides that.
	Before, After func() error
	// Transactions counts those that were begun.
	Transactions atomic.Int64
}

// Open opens the engine.
func (f *Faulty) Open(ctx context.Context, fresh store.Meta) (store.Database, error) {
	db, err := f.Engine.Open(ctx, fresh)
	return &faultyDatabase{db, f}, err
}

type faultyDatabase struct {
	store.Database
	faulty *Faulty
}

// Update runs a transaction that may fail.
func (d *faultyDatabase) Update(ctx context.Context, run func(store.Tx) error) error {
	d.faulty.Transactions.Add(1)
	err := d.Database.Update(ctx, func(tx store.Tx) error {
		if err := run(tx); err != nil {
			return err
		}
		if d.faulty.Before != nil {
			return d.faulty.Before()
		}
		return nil
	})
	if err == nil && d.faulty.After != nil {
		return d.faulty.After()
	}
	return err
}
