package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// migrate creates the schema, or brings it up to date. The lock of the writer
// keeps others from doing so at the same time.
func (d *database) migrate(ctx context.Context, fresh store.Meta) error {
	return d.explain("open", pgx.BeginFunc(ctx, d.writer, func(tx pgx.Tx) error {
		if d.shared {
			batch := &pgx.Batch{}
			d.wait(batch)
			if err := tx.SendBatch(ctx, batch).Close(); err != nil {
				return err
			}
		}
		version, err := d.version(ctx, tx)
		switch {
		case err == nil && version == store.SchemaVersion():
			return d.countCommits(ctx, tx)
		case err != nil:
			return err
		case version > store.SchemaVersion():
			return store.OtherVersion(d.Name(), version)
		}
		if err := d.bring(ctx, tx, version, fresh); err != nil {
			return err
		}
		return d.countCommits(ctx, tx)
	}))
}

// bring brings the schema from a version to the current one; from 0 it makes it.
func (d *database) bring(ctx context.Context, tx pgx.Tx, version int, fresh store.Meta) error {
	if _, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{d.schema}.Sanitize()); err != nil {
		return err
	}
	for _, statements := range store.Migrations("postgres", version) {
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%w: %s", err, statement)
			}
		}
	}
	values := [][2]string{{"schema", strconv.Itoa(store.SchemaVersion())}}
	if version == 0 {
		values = append(values, [2]string{"created", strconv.FormatInt(fresh.Created, 10)}, [2]string{"generation", fresh.Generation})
	}
	for _, v := range values {
		const put = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
		if _, err := tx.Exec(ctx, put, v[0], v[1]); err != nil {
			return err
		}
	}
	return nil
}

// countCommits begins to count the commits of a database that is shared.
func (d *database) countCommits(ctx context.Context, tx pgx.Tx) error {
	if !d.shared {
		return nil
	}
	if _, err := tx.Exec(ctx, "INSERT INTO meta (name, value) VALUES ('commits', '0') ON CONFLICT (name) DO NOTHING"); err != nil {
		return err
	}
	return makeNews(ctx, tx)
}

// version returns the version of the schema; 0 when it is empty.
func (d *database) version(ctx context.Context, tx pgx.Tx) (int, error) {
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", pgx.Identifier{d.schema, "meta"}.Sanitize()).Scan(&there); err != nil || !there {
		return 0, err
	}
	var text string
	err := tx.QueryRow(ctx, "SELECT value FROM meta WHERE name = 'schema'").Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, store.Damaged(d.Name(), "meta: it has no version")
	}
	if err != nil {
		return 0, err
	}
	version, err := strconv.Atoi(text)
	if err != nil || version < 1 {
		return 0, store.Damaged(d.Name(), "meta: version %q", text)
	}
	return version, nil
}

// readMeta reads what the database says about itself.
func (d *database) readMeta(ctx context.Context) error {
	var created string
	err := d.writer.QueryRow(ctx, "SELECT (SELECT value FROM meta WHERE name = 'created'), (SELECT value FROM meta WHERE name = 'generation')").
		Scan(&created, &d.meta.Generation)
	if err == nil {
		d.meta.Created, err = strconv.ParseInt(created, 10, 64)
	}
	if err != nil {
		return store.Damaged(d.Name(), "meta: it has no creation time or no generation")
	}
	return nil
}
