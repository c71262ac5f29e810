package postgres

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Rows visits the rows of a table.
func (d *database) Rows(ctx context.Context, table *store.Table, visit func(row []any) error) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	rows, err := d.writer.Query(ctx, "SELECT "+columns(table.Columns)+", guard FROM "+table.Name)
	if err != nil {
		return d.explain("read", err)
	}
	return d.explain("read", visitRows(rows, visit))
}

// visitRows calls visit with the values of each row.
func visitRows(rows pgx.Rows, visit func(row []any) error) error {
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err == nil {
			err = visit(values)
		}
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// identities looks for keys and, for each, some others with the same twins.
func identities(ctx context.Context, q querier, keys []tally.Key, found func(tally.Key, []byte)) error {
	var exact, first, last [][]byte
	seen := map[string]bool{}
	for i := range keys {
		exact = append(exact, keys[i][:])
		twins := keys[i].Twins()
		if !seen[string(twins[:])] {
			seen[string(twins[:])] = true
			first = append(first, bytes.Clone(twins[:]))
			last = append(last, append(bytes.Clone(twins[:]), bytes.Repeat([]byte{0xff}, tally.KeySize-len(twins))...))
		}
	}
	rows, err := q.Query(ctx, `SELECT i.key, i.digests FROM unnest($1::bytea[]) k (key) JOIN identities i ON i.key = k.key
		UNION SELECT i.key, i.digests FROM unnest($2::bytea[], $3::bytea[]) t (first, last)
		CROSS JOIN LATERAL (SELECT key, digests FROM identities WHERE key >= t.first AND key <= t.last ORDER BY key LIMIT $4) i`,
		exact, first, last, tally.MaxTwins)
	if err != nil {
		return err
	}
	return each(rows, func(key tally.Key, digests []byte) error {
		found(key, digests)
		return nil
	})
}

// each visits rows of identities.
func each(rows pgx.Rows, visit func(tally.Key, []byte) error) error {
	var k, digests []byte
	_, err := pgx.ForEachRow(rows, []any{&k, &digests}, func() error {
		if len(k) != tally.KeySize || len(digests) == 0 {
			return fmt.Errorf("an identity of %d and %d bytes", len(k), len(digests))
		}
		return visit(tally.Key(k), bytes.Clone(digests))
	})
	return err
}

// Identities looks for keys and their twins among what is committed.
func (d *database) Identities(ctx context.Context, keys []tally.Key, found func(tally.Key, []byte)) error {
	return d.explain("read", identities(ctx, d.pool, keys, found))
}

// Marks returns the marks with one of the keys.
func (d *database) Marks(ctx context.Context, source string, keys []string) ([]store.Mark, error) {
	rows, err := d.pool.Query(ctx, "SELECT input, value, guard FROM marks WHERE source = $1 AND input = ANY($2)", source, keys)
	if err != nil {
		return nil, d.explain("read", err)
	}
	marks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Mark, error) {
		m := store.Mark{Source: source}
		err := row.Scan(&m.Key, &m.Value, &m.Guard)
		return m, err
	})
	return marks, d.explain("read", err)
}

// MarkKeys returns keys of marks.
func (d *database) MarkKeys(ctx context.Context, source, after string, most int) ([]string, error) {
	rows, err := d.pool.Query(ctx, `SELECT input FROM marks WHERE source = $1 AND input > $2 ORDER BY input LIMIT $3`, source, after, most)
	if err != nil {
		return nil, d.explain("read", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return keys, d.explain("read", err)
}

// Size returns the bytes of the tables and their indexes.
func (d *database) Size(ctx context.Context) (n int64, err error) {
	err = d.pool.QueryRow(ctx, `SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
		WHERE relnamespace = $1::text::regnamespace AND relkind = 'r'`, pgx.Identifier{d.schema}.Sanitize()).Scan(&n)
	return n, d.explain("read", err)
}
