package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// Make makes the schema, in which there must be no store yet, and fills it, all in
// one transaction. Meanwhile no other process can open it.
func (d Database) Make(ctx context.Context, meta store.Meta, fill func(store.Tx) error) error {
	d.Shared = false
	db := d.database()
	return errors.Join(db.make(ctx, meta, fill), db.Close())
}

func (d *database) make(ctx context.Context, meta store.Meta, fill func(store.Tx) error) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	return d.explain("write", pgx.BeginFunc(ctx, d.writer, func(pgtx pgx.Tx) error {
		version, err := d.version(ctx, pgtx)
		if err == nil && version > 0 {
			err = &store.Error{
				Name: d.Name(), Doing: "make", Err: store.ErrExists,
				Advice: "name another database, or DROP SCHEMA " + pgx.Identifier{d.schema}.Sanitize() + " CASCADE if nobody needs it",
			}
		}
		if err == nil {
			err = d.bring(ctx, pgtx, 0, meta)
		}
		if err == nil {
			err = fill(&tx{ctx: ctx, tx: pgtx, d: d})
		}
		if err == nil {
			// New reports come after those that were added with their ids.
			_, err = pgtx.Exec(ctx, "SELECT setval('report_ids', max(id)) FROM reports")
		}
		return err
	}))
}
