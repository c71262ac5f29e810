package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// tx is a transaction. It is over when the Update that made it returns, and so
// it may hold the context of that.
type tx struct {
	ctx    context.Context
	tx     pgx.Tx
	d      *database
	behind bool
	// Of a shared database: how many have committed, with this one, and the next id.
	commits, horizon int64
}

// Behind reports whether others have written a shared database.
func (t *tx) Behind() bool { return t.behind }

func (t *tx) exec(query string, args ...any) (int, error) {
	tag, err := t.tx.Exec(t.ctx, query, args...)
	return int(tag.RowsAffected()), err
}

// Identities looks for keys and their twins.
func (t *tx) Identities(keys []tally.Key, found func(tally.Key, []byte)) error {
	return identities(t.ctx, t.tx, keys, found)
}

// IdentitiesOf visits the identities of a day.
func (t *tx) IdentitiesOf(day tally.Day, visit func(tally.Key, []byte) error) error {
	rows, err := t.tx.Query(t.ctx, "SELECT key, digests FROM identities WHERE key >= $1 AND key < $2 ORDER BY key", day.Prefix(), (day + 1).Prefix())
	if err != nil {
		return err
	}
	return each(rows, visit)
}

// DropIdentities deletes the oldest identities.
func (t *tx) DropIdentities(before tally.Day, most int, dropped func(tally.Key, []byte)) error {
	rows, err := t.tx.Query(t.ctx, `DELETE FROM identities WHERE key IN (SELECT key FROM identities WHERE key < $1 ORDER BY key LIMIT $2)
		RETURNING key, digests`, before.Prefix(), most)
	if err != nil {
		return err
	}
	return each(rows, func(key tally.Key, digests []byte) error {
		dropped(key, digests)
		return nil
	})
}

// PutIdentities keeps identities.
func (t *tx) PutIdentities(rows []tally.IdentityRow) error {
	var keys, digests, changedKeys, changed [][]byte
	for i := range rows {
		if r := &rows[i]; r.Before == nil {
			keys, digests = append(keys, r.Key[:]), append(digests, r.Digests)
		} else {
			changedKeys, changed = append(changedKeys, r.Key[:]), append(changed, r.Digests)
		}
	}
	if len(keys) > 0 {
		n, err := t.exec("INSERT INTO identities SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING", keys, digests)
		if err == nil && n < len(keys) {
			err = store.ErrConflict
		}
		if err != nil {
			return err
		}
	}
	if len(changed) == 0 {
		return nil
	}
	_, err := t.exec("UPDATE identities i SET digests = u.digests FROM unnest($1::bytea[], $2::bytea[]) u (key, digests) WHERE i.key = u.key", changedKeys, changed)
	return err
}

// guardPrime is what guards are counted modulo.
const guardPrime = "2305843009213693951"

// Put keeps rows. Numbers that are added to are added to here, and rows come in
// the order of their keys, so that several writers could do so.
func (t *tx) Put(table *store.Table, rows []store.Row) error {
	args := arrays(len(table.Columns)+1, len(rows), func(row, column int) any {
		if column == len(table.Columns) {
			return rows[row].Guard
		}
		return rows[row].Values[column]
	})
	if table.Added == 0 {
		_, err := t.exec(replace(table, rows[0]), args...)
		return err
	}
	deltas := arrays(table.Until-table.Added+1, len(rows), func(row, column int) any {
		if column == table.Until-table.Added {
			return rows[row].GuardDelta
		}
		return rows[row].Deltas[column]
	})
	_, err := t.exec(grow(table, rows[0]), append(args, deltas...)...)
	return err
}

// arrays turns rows into arrays of columns.
func arrays(columns, rows int, value func(row, column int) any) []any {
	all := make([]any, 0, columns)
	for c := range columns {
		if _, number := value(0, c).(int64); number {
			numbers := make([]int64, rows)
			for r := range numbers {
				numbers[r], _ = value(r, c).(int64)
			}
			all = append(all, numbers)
			continue
		}
		texts := make([]string, rows)
		for r := range texts {
			texts[r], _ = value(r, c).(string)
		}
		all = append(all, texts)
	}
	return all
}

func columns(names []string) string { return strings.Join(names, ", ") }

// unnest returns the function that turns arrays back into rows.
func unnest(t *store.Table, row store.Row) string {
	var types []string
	add := func(v any) {
		kind := "text[]"
		if _, number := v.(int64); number {
			kind = "bigint[]"
		}
		types = append(types, "$"+strconv.Itoa(len(types)+1)+"::"+kind)
	}
	for _, v := range row.Values {
		add(v)
	}
	add(row.Guard)
	if t.Added > 0 {
		for range t.Until - t.Added + 1 {
			add(row.Guard)
		}
	}
	return "unnest(" + columns(types) + ")"
}

// replace returns the statement that keeps rows whose values replace others.
func replace(t *store.Table, row store.Row) string {
	set := []string{"guard = excluded.guard"}
	for _, c := range t.Columns[t.Keys:] {
		set = append(set, c+" = excluded."+c)
	}
	return fmt.Sprintf("INSERT INTO %s (%s, guard) SELECT * FROM %s ON CONFLICT (%s) DO UPDATE SET %s",
		t.Name, columns(t.Columns), unnest(t, row), columns(t.Columns[:t.Keys]), columns(set))
}

// grow returns the statement that adds to rows, or begins them. It cannot
// overflow: what one process adds in all ends where tally.Add does, and a column
// has room for a thousand of them.
func grow(t *store.Table, row store.Row) string {
	names := append(append([]string{}, t.Columns...), "guard")
	set := []string{"guard = (t.guard + d.guard_added) % " + guardPrime}
	for _, c := range t.Columns[t.Added:t.Until] {
		names = append(names, c+"_added")
		set = append(set, fmt.Sprintf("%[1]s = t.%[1]s + d.%[1]s_added", c))
	}
	names = append(names, "guard_added")
	var same, key, missing []string
	for _, c := range t.Columns[:t.Keys] {
		same = append(same, fmt.Sprintf("t.%[1]s = d.%[1]s", c))
		key = append(key, "t."+c)
		missing = append(missing, fmt.Sprintf("k.%[1]s = d.%[1]s", c))
	}
	return fmt.Sprintf(`WITH d (%s) AS (SELECT * FROM %s), known AS (UPDATE %s t SET %s FROM d WHERE %s RETURNING %s)
		INSERT INTO %s (%s, guard) SELECT %s, guard FROM d WHERE NOT EXISTS (SELECT FROM known k WHERE %s)`,
		columns(names), unnest(t, row), t.Name, columns(set), strings.Join(same, " AND "), columns(key),
		t.Name, columns(t.Columns), columns(t.Columns), strings.Join(missing, " AND "))
}

// DropBefore deletes the rows whose first column is less.
func (t *tx) DropBefore(table *store.Table, first int64) error {
	_, err := t.exec("DELETE FROM "+table.Name+" WHERE "+table.Columns[0]+" < $1", first)
	return err
}

// Drop deletes the rows whose first column has a value.
func (t *tx) Drop(table *store.Table, first []int64) error {
	_, err := t.exec("DELETE FROM "+table.Name+" WHERE "+table.Columns[0]+" = ANY($1)", first)
	return err
}

// PutMarks keeps marks. Of those with the same key the last one counts.
func (t *tx) PutMarks(marks []store.Mark) error {
	type input struct{ source, key string }
	last := map[input]int{}
	for i, m := range marks {
		last[input{m.Source, m.Key}] = i
	}
	var sources, keys, values []string
	var guards []int64
	for i, m := range marks {
		if last[input{m.Source, m.Key}] == i {
			sources, keys, values, guards = append(sources, m.Source), append(keys, m.Key), append(values, m.Value), append(guards, m.Guard)
		}
	}
	_, err := t.exec(`INSERT INTO marks (source, input, value, guard) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
		ON CONFLICT (source, input) DO UPDATE SET value = excluded.value, guard = excluded.guard`, sources, keys, values, guards)
	return err
}

// DropMarks drops marks.
func (t *tx) DropMarks(source string, keys []string) error {
	_, err := t.exec("DELETE FROM marks WHERE source = $1 AND input = ANY($2)", source, keys)
	return err
}
