package store

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// errMissed says that what others have written cannot be told from what was read before.
var errMissed = errors.New("rows were dropped")

// catchUp loads what other processes have written, within a transaction: as far as
// it is known, that alone. Identities that they have added need not be checked then.
func (s *Store) catchUp(ctx context.Context, tx Tx) error {
	if shared, ok := tx.(SharedTx); ok && s.ledger != nil && shared.Traced() {
		err := s.readChanged(ctx, shared)
		if err == nil {
			err = shared.News(s.readNews)
		}
		if !errors.Is(err, errMissed) {
			return err
		}
	}
	return s.load(ctx)
}

// changed are the rows that others have written.
type changed struct {
	name string
	tx   SharedTx
}

// Name names the database in errors.
func (c changed) Name() string { return c.name }

// Rows visits the rows of a table.
func (c changed) Rows(_ context.Context, table *Table, visit func(row []any) error) error {
	return c.tx.Changed(table, visit)
}

// readChanged brings what is in memory up to date. Where rows were dropped there
// are more of them than there should be.
func (s *Store) readChanged(ctx context.Context, tx SharedTx) error {
	db, rows := changed{s.db.Name(), tx}, &tally.Rows{}
	l := &ledger{maps.Clone(s.ledger.days), maps.Clone(s.ledger.totals)}
	if err := readTotals(ctx, db, l); err != nil {
		return err
	}
	if err := readRows(ctx, db, rows, l, nil); err != nil {
		return err
	}
	rows.Expired = l.totals[totalExpired]
	held, err := s.tally.Update(rows)
	if err != nil {
		return Damaged(s.db.Name(), "%w", err)
	}
	for table, n := range map[*Table]int{
		tableSums: held.Sums, tableDays: held.Days, tableDomains: held.Domains, tableNames: held.Names, tableSources: held.Sources,
		tableIdentityDays: len(l.days),
	} {
		if int64(n) != l.totals[table.Name] {
			return errMissed
		}
	}
	if l.identities() != l.totals[totalIdentities] {
		return errMissed
	}
	s.ledger = l
	for _, source := range rows.Sources {
		s.counted(source.Last)
	}
	return nil
}

// News are whether something was dropped that no report uses any more, and the
// fingerprints of identities.
const (
	newsKept    = 0
	newsDropped = 1
	newsSize    = 4 + 4 + 4 // day, identity, twin
)

// putNews tells others what they would have to ask the database for.
func (w *writing) putNews() error {
	shared, ok := w.tx.(SharedTx)
	if !ok || !w.store.db.Shared() || len(w.kept) == 0 && !w.unused {
		return nil
	}
	data := make([]byte, 1, 1+newsSize*len(w.kept))
	if data[0] = newsKept; w.unused {
		data[0] = newsDropped
	}
	for i := range w.kept {
		key, digests := w.kept[i].Key, w.kept[i].Digests
		data = binary.BigEndian.AppendUint32(data, uint32(key.Day()))
		data = binary.BigEndian.AppendUint32(data, identityPrint(key))
		data = binary.BigEndian.AppendUint32(data, twinPrint(key, digests))
	}
	return shared.PutNews(data)
}

// readNews notes what others have told.
func (s *Store) readNews(data []byte) error {
	if len(data)%newsSize != 1 {
		return Damaged(s.db.Name(), "news of %d bytes", len(data))
	}
	if data[0] == newsDropped {
		clear(s.known.months)
		clear(s.known.senders)
	}
	for data = data[1:]; len(data) > 0; data = data[newsSize:] {
		if one := s.filters.days[tally.Day(binary.BigEndian.Uint32(data))]; one != nil {
			one.put(binary.BigEndian.Uint32(data[4:]))
			one.put(binary.BigEndian.Uint32(data[8:]))
		}
	}
	return nil
}
