package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Rows visits the rows of a table.
func (d *database) Rows(_ context.Context, table *store.Table, visit func(row []any) error) error {
	query := "SELECT " + strings.Join(table.Columns, ", ") + ", guard FROM " + table.Name
	return d.guarded(func() error {
		return d.openError(d.writer.query(func(row []driver.Value) error {
			values := make([]any, len(row))
			for i, v := range row {
				values[i] = v
			}
			return visit(values)
		}, query))
	})
}

// readMeta reads what the file says about itself.
func (d *database) readMeta() error {
	found := map[string]string{}
	err := d.writer.query(func(row []driver.Value) error {
		name, _ := row[0].(string)
		found[name], _ = row[1].(string)
		return nil
	}, "SELECT name, value FROM meta")
	if err != nil {
		return d.openError(err)
	}
	d.meta.Generation = found["generation"]
	if d.meta.Created, err = strconv.ParseInt(found["created"], 10, 64); err != nil || d.meta.Generation == "" {
		return d.damaged("meta: it has no creation time or no generation")
	}
	return nil
}

// read runs a query on the readers.
func (d *database) read(ctx context.Context, visit func(*sql.Rows) error, query string, args ...any) error {
	return d.guarded(func() error {
		rows, err := d.reader.QueryContext(ctx, query, args...)
		if err != nil {
			return d.readError(ctx, err)
		}
		defer rows.Close()
		for rows.Next() {
			if err := visit(rows); err != nil {
				return d.readError(ctx, err)
			}
		}
		return d.readError(ctx, rows.Err())
	})
}

// SQL is for reading.
func (d *database) SQL() *sql.DB { return d.reader }

// readError leaves the error of a context as it is.
func (d *database) readError(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return d.explain("read", err)
}

// Identities looks for keys and their twins among what is committed.
func (d *database) Identities(ctx context.Context, keys []tally.Key, found func(tally.Key, []byte)) error {
	return identities(keys, found, func(visit func([]driver.Value) error, query string, args ...any) error {
		return d.read(ctx, func(rows *sql.Rows) error {
			var key, digests []byte
			if err := rows.Scan(&key, &digests); err != nil {
				return err
			}
			return visit([]driver.Value{key, digests})
		}, query, args...)
	})
}

// Marks returns the marks with one of the keys.
func (d *database) Marks(ctx context.Context, source string, keys []string) (marks []store.Mark, err error) {
	if len(keys) == 1 {
		m := store.Mark{Source: source, Key: keys[0]}
		err := d.mark.QueryRowContext(ctx, source, keys[0]).Scan(&m.Value, &m.Guard)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		return []store.Mark{m}, d.readError(ctx, err)
	}
	const most = 500
	for keys := range slices.Chunk(keys, most) {
		args := []any{source}
		for _, key := range keys {
			args = append(args, key)
		}
		err := d.read(ctx, func(rows *sql.Rows) error {
			m := store.Mark{Source: source}
			err := rows.Scan(&m.Key, &m.Value, &m.Guard)
			marks = append(marks, m)
			return err
		}, "SELECT input, value, guard FROM marks WHERE source = ? AND input IN ("+places(len(keys))+")", args...)
		if err != nil {
			return nil, err
		}
	}
	return marks, nil
}

// MarkKeys returns keys of marks.
func (d *database) MarkKeys(ctx context.Context, source, after string, most int) (keys []string, err error) {
	err = d.read(ctx, func(rows *sql.Rows) error {
		var key string
		err := rows.Scan(&key)
		keys = append(keys, key)
		return err
	}, "SELECT input FROM marks WHERE source = ? AND input > ? ORDER BY input LIMIT ?", source, after, most)
	return keys, err
}

// Size returns the bytes of the file and of the log beside it.
func (d *database) Size(context.Context) (int64, error) {
	if d.memory {
		return 0, nil
	}
	total := int64(0)
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(d.file.Path + suffix)
		switch {
		case err == nil:
			total += info.Size()
		case !errors.Is(err, fs.ErrNotExist) || suffix == "":
			return 0, d.openError(err)
		}
	}
	return total, nil
}
