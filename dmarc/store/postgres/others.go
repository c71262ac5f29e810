package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// keptNews is for how many commits what they told is kept. Who has missed more
// reads everything anew.
const keptNews = 200

// makeNews makes the table of what commits tell each other. As the number of
// commits, it is there only where a database is shared.
func makeNews(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS news (commit BIGINT PRIMARY KEY, data BYTEA NOT NULL)")
	return err
}

// Traced reports whether Changed and News know what others have written.
func (t *tx) Traced() bool {
	return t.d.commits != unknown && t.commits-t.d.commits < keptNews
}

// Changed visits the rows that others have written: transactions come one after the
// other, so that those since the last one of this writer have larger ids.
func (t *tx) Changed(table *store.Table, visit func(row []any) error) error {
	rows, err := t.tx.Query(t.ctx, fmt.Sprintf("SELECT %s, guard FROM %s WHERE age(xmin) <= age($1::text::xid)", columns(table.Columns), table.Name),
		fmt.Sprint(uint32(t.d.horizon)))
	if err != nil {
		return err
	}
	return visitRows(rows, visit)
}

// PutNews tells others something.
func (t *tx) PutNews(data []byte) error {
	batch := &pgx.Batch{}
	batch.Queue("INSERT INTO news (commit, data) VALUES ($1, $2)", t.commits+1, data)
	batch.Queue("DELETE FROM news WHERE commit <= $1", t.commits+1-keptNews)
	return t.tx.SendBatch(t.ctx, batch).Close()
}

// News visits what others have told.
func (t *tx) News(visit func(data []byte) error) error {
	rows, err := t.tx.Query(t.ctx, "SELECT data FROM news WHERE commit > $1", t.d.commits)
	if err != nil {
		return err
	}
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&data}, func() error { return visit(data) })
	return err
}

// alone tells those that will share the database again that somebody else has written it.
func (d *database) alone(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	err := conn.QueryRow(ctx, "SELECT to_regclass('meta') IS NOT NULL").Scan(&there)
	if err == nil && there {
		_, err = conn.Exec(ctx, "UPDATE meta SET value = (value::bigint + $1)::text WHERE name = 'commits'", keptNews)
	}
	return err
}
