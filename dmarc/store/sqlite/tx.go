package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// tx is a transaction on the writer.
type tx struct {
	*conn
	d *database
}

// Behind is false: nobody else writes.
func (t *tx) Behind() bool { return false }

// Shared is false: the file is locked.
func (d *database) Shared() bool { return false }

// Update runs f in a transaction.
func (d *database) Update(_ context.Context, f func(store.Tx) error) error {
	return d.guarded(func() error {
		err := d.writeError(transaction(d.writer, func() error { return f(&tx{d.writer, d}) }))
		if errors.Is(err, store.ErrFull) {
			// The log may have the room that is missing: without it nothing could be
			// written any more. If it has none, the next transaction fails as well.
			_ = d.writer.exec("PRAGMA wal_checkpoint(TRUNCATE)")
		}
		return err
	})
}

// Identities looks for keys and their twins.
func (t *tx) Identities(keys []tally.Key, found func(tally.Key, []byte)) error {
	return identities(keys, found, t.query)
}

// identities looks for keys with query, which calls visit with each row. One
// query finds those with the same twins; only when they are too many each key
// needs one of its own.
func identities(
	keys []tally.Key, found func(tally.Key, []byte), query func(visit func([]driver.Value) error, query string, args ...any) error,
) error {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b tally.Key) int { return bytes.Compare(a[:], b[:]) })
	visit := func(row []driver.Value) error {
		key, digests, err := identity(row)
		if err == nil {
			found(key, digests)
		}
		return err
	}
	for len(keys) > 0 {
		twins, n, rows := keys[0].Twins(), 1, 0
		for n < len(keys) && keys[n].Twins() == twins {
			n++
		}
		first, last := twins[:], append(twins[:len(twins):len(twins)], bytes.Repeat([]byte{0xff}, tally.KeySize-len(twins))...)
		err := query(func(row []driver.Value) error {
			rows++
			return visit(row)
		}, "SELECT key, digests FROM identities WHERE key >= ? AND key <= ? ORDER BY key LIMIT ?", first, last, int64(tally.MaxTwins))
		for _, key := range keys[:n] {
			if err == nil && rows >= tally.MaxTwins {
				err = query(visit, "SELECT key, digests FROM identities WHERE key = ?", key[:])
			}
		}
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// identity reads a row of identities.
func identity(row []driver.Value) (key tally.Key, digests []byte, err error) {
	k, _ := row[0].([]byte)
	digests, _ = row[1].([]byte)
	if len(k) != len(key) || len(digests) == 0 {
		return key, nil, fmt.Errorf("an identity of %d and %d bytes", len(k), len(digests))
	}
	return tally.Key(k), bytes.Clone(digests), nil
}

// IdentitiesOf visits the identities of a day.
func (t *tx) IdentitiesOf(day tally.Day, visit func(tally.Key, []byte) error) error {
	return t.query(func(row []driver.Value) error {
		key, digests, err := identity(row)
		if err != nil {
			return t.d.damaged("identities of day %d: %w", day, err)
		}
		return visit(key, digests)
	}, "SELECT key, digests FROM identities WHERE key >= ? AND key < ? ORDER BY key", day.Prefix(), (day + 1).Prefix())
}

// DropIdentities deletes the oldest identities.
func (t *tx) DropIdentities(before tally.Day, most int, dropped func(tally.Key, []byte)) error {
	var last []byte
	err := t.query(func(row []driver.Value) error {
		key, digests, err := identity(row)
		if err != nil {
			return t.d.damaged("identities before day %d: %w", before, err)
		}
		last = bytes.Clone(key[:])
		dropped(key, digests)
		return nil
	}, "SELECT key, digests FROM identities WHERE key < ? ORDER BY key LIMIT ?", before.Prefix(), int64(most))
	if err != nil || last == nil {
		return err
	}
	return t.exec("DELETE FROM identities WHERE key <= ?", last)
}

// PutIdentities keeps identities.
func (t *tx) PutIdentities(rows []tally.IdentityRow) error {
	// What statements take must be boxed: the same boxes do for all of a size.
	var key tally.Key
	var digests []byte
	keyArg, digestsArg := any(key[:]), any(digests)
	for i := range rows {
		r := &rows[i]
		if len(digests) != len(r.Digests) {
			digests = make([]byte, len(r.Digests))
			digestsArg = digests
		}
		key = r.Key
		copy(digests, r.Digests)
		query := "INSERT INTO identities (key, digests) VALUES (?, ?)"
		if r.Before != nil {
			query += " ON CONFLICT (key) DO UPDATE SET digests = excluded.digests"
		}
		if err := t.exec(query, keyArg, digestsArg); err != nil {
			return err
		}
	}
	return nil
}

// Name names the database in errors.
func (t *tx) Name() string { return t.d.Name() }

// Query calls visit with each row of a query, which is not kept prepared. The
// pages that the writer has are those that readers would have to read again
// after each transaction.
func (t *tx) Query(_ context.Context, visit func(row []any) error, query string, args ...any) error {
	defer t.forget(query)
	var values []any
	return t.query(func(row []driver.Value) error {
		values = values[:0]
		for _, v := range row {
			values = append(values, v)
		}
		return visit(values)
	}, query, args...)
}

// Put keeps rows: nobody else writes the file, so that values replace values.
func (t *tx) Put(table *store.Table, rows []store.Row) error {
	query := upsert(table)
	args := make([]any, 0, len(table.Columns)+1)
	for i := range rows {
		args = append(append(args[:0], rows[i].Values...), rows[i].Guard)
		if err := t.exec(query, args...); err != nil {
			return err
		}
	}
	return nil
}

// upsert returns the statement that keeps a row.
func upsert(t *store.Table) string {
	columns := append(slices.Clone(t.Columns), "guard")
	var set []string
	for _, c := range columns[t.Keys:] {
		set = append(set, c+" = excluded."+c)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (%s) DO UPDATE SET %s",
		t.Name, strings.Join(columns, ", "), places(len(columns)), strings.Join(t.Columns[:t.Keys], ", "), strings.Join(set, ", "))
}

// places returns n placeholders.
func places(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// DropBefore deletes the rows whose first column is less.
func (t *tx) DropBefore(table *store.Table, first int64) error {
	return t.exec("DELETE FROM "+table.Name+" WHERE "+table.Columns[0]+" < ?", first)
}

// Drop deletes the rows whose first column has a value.
func (t *tx) Drop(table *store.Table, first []int64) error {
	for _, value := range first {
		if err := t.exec("DELETE FROM "+table.Name+" WHERE "+table.Columns[0]+" = ?", value); err != nil {
			return err
		}
	}
	return nil
}

// PutMarks keeps marks.
func (t *tx) PutMarks(marks []store.Mark) error {
	const query = `INSERT INTO marks (source, input, value, guard) VALUES (?, ?, ?, ?)
		ON CONFLICT (source, input) DO UPDATE SET value = excluded.value, guard = excluded.guard`
	for _, m := range marks {
		if err := t.exec(query, m.Source, m.Key, m.Value, m.Guard); err != nil {
			return err
		}
	}
	return nil
}

// DropMarks drops marks.
func (t *tx) DropMarks(source string, keys []string) error {
	for _, key := range keys {
		if err := t.exec("DELETE FROM marks WHERE source = ? AND input = ?", source, key); err != nil {
			return err
		}
	}
	return nil
}
