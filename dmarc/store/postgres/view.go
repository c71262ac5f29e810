package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// KeepViews returns an engine whose views leave their connections to those that
// come soon after them. To connect takes longer than most answers.
func (d Database) KeepViews() store.Engine {
	db := d.viewed()
	d.views = openViews(db)
	const idle, lifetime = time.Minute, 10 * time.Minute // A password may change, or the primary.
	d.views.SetConnMaxIdleTime(idle)
	d.views.SetConnMaxLifetime(lifetime)
	return d
}

// openViews returns connections of views. What they ask is answered sooner than
// the server would compile it, which it does for what it thinks is expensive.
func openViews(db *database) *sql.DB {
	return stdlib.OpenDB(*db.config, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET jit = off")
		return err
	}))
}

// viewed returns a database that is only looked at.
func (d Database) viewed() *database {
	if d.Schema == "" {
		d.Schema = DefaultSchema
	}
	db := &database{schema: d.Schema, config: d.Config.ConnConfig.Copy()}
	prepare(db.config, d.Schema)
	// Hardly a statement comes twice, and some are long: none is kept.
	db.config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	return db
}

// View opens the schema for reading.
func (d Database) View(ctx context.Context) (*store.View, error) {
	db := d.viewed()
	pool, done := d.views, func() error { return nil }
	if pool == nil {
		pool = openViews(db)
		done = pool.Close
	}
	tx, err := pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, errors.Join(db.explain("open", err), done())
	}
	if err := db.knowVersion(ctx, tx); err != nil {
		return nil, errors.Join(db.explain("read", err), tx.Rollback(), done())
	}
	return store.NewView(store.ViewConfig{
		Name: db.Name(), Tx: tx, Explain: db.explain, Close: done,
		Texts: "SELECT jsonb_array_elements_text(CAST(%s AS jsonb))",
		Integrity: func(ctx context.Context) (problems, notes []string, err error) {
			problems, notes, err = integrity(ctx, tx, db.schema)
			return problems, notes, db.explain("read", err)
		},
	}), nil
}

// knowVersion takes the snapshot and holds the version.
func (d *database) knowVersion(ctx context.Context, tx *sql.Tx) error {
	var text string
	err := tx.QueryRowContext(ctx, "SELECT value FROM "+pgx.Identifier{d.schema, "meta"}.Sanitize()+" WHERE name = 'schema'").Scan(&text)
	var server *pgconn.PgError
	const undefinedTable = "42P01"
	if errors.As(err, &server) && server.Code == undefinedTable {
		return &store.Error{
			Name: d.Name(), Doing: "read", Err: fmt.Errorf("%w in schema %s", store.ErrNone, d.schema), Advice: "name the database that serve writes",
		}
	}
	if err != nil {
		return err
	}
	switch version, err := strconv.Atoi(text); {
	case err != nil || version < 1:
		return store.Damaged(d.Name(), "meta: version %q", text)
	case version < store.SchemaVersion():
		return store.OldVersion(d.Name())
	case version > store.SchemaVersion():
		return store.OtherVersion(d.Name(), version)
	}
	return nil
}

// integrity is the check of PostgreSQL: reading every row of a table checks its
// pages when they have checksums; indexes need the extension amcheck.
func integrity(ctx context.Context, tx *sql.Tx, schema string) (problems, notes []string, err error) {
	var checksums, amcheck string
	err = tx.QueryRowContext(ctx, `SELECT current_setting('data_checksums'), coalesce((SELECT quote_ident(n.nspname) FROM pg_extension e
		JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'amcheck'), '')`).Scan(&checksums, &amcheck)
	if err != nil {
		return nil, nil, err
	}
	if checksums != "on" {
		notes = append(notes, "pages have no checksums (initdb --data-checksums)")
	}
	if amcheck == "" {
		return nil, append(notes, "indexes were not checked: CREATE EXTENSION amcheck"), nil
	}
	rows, err := tx.QueryContext(ctx, `SELECT c.oid::bigint, c.relname::text FROM pg_class c JOIN pg_am a ON a.oid = c.relam
		WHERE c.relkind = 'i' AND a.amname = 'btree' AND c.relnamespace = $1::text::regnamespace ORDER BY 2`, pgx.Identifier{schema}.Sanitize())
	if err != nil {
		return nil, nil, err
	}
	indexes := map[int64]string{}
	for rows.Next() {
		var oid int64
		var name string
		if err := rows.Scan(&oid, &name); err != nil {
			return nil, nil, errors.Join(err, rows.Close())
		}
		indexes[oid] = name
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, nil, err
	}
	for oid, name := range indexes {
		// A failed statement would end the transaction.
		if _, err := tx.ExecContext(ctx, "SAVEPOINT check_index"); err != nil {
			return nil, nil, err
		}
		if _, err := tx.ExecContext(ctx, "SELECT "+amcheck+".bt_index_check($1::bigint::oid)", oid); err != nil {
			var server *pgconn.PgError
			if errors.As(err, &server) && server.Code == "42501" { // insufficient_privilege
				notes = append(notes, "indexes were not checked: the user may not call bt_index_check")
				_, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT check_index")
				return problems, notes, err
			}
			problems = append(problems, fmt.Sprintf("index %s: %v", name, err))
			if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT check_index"); err != nil {
				return nil, nil, err
			}
		}
	}
	return problems, notes, nil
}
