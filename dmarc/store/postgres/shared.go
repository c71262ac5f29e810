package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// prepareShared makes connections whose transactions hold up no others: the
// server ends that of a process which has stopped in the middle, and notices
// within ten seconds when a machine is gone.
func prepareShared(c *pgx.ConnConfig) {
	for name, value := range map[string]string{
		"idle_in_transaction_session_timeout": "15s",
		"tcp_keepalives_idle":                 "5",
		"tcp_keepalives_interval":             "2",
		"tcp_keepalives_count":                "2",
		"tcp_user_timeout":                    "10s",
	} {
		c.RuntimeParams[name] = value
	}
}

// wait waits until no other transaction writes the database.
func (d *database) wait(batch *pgx.Batch) {
	batch.Queue(fmt.Sprintf("SET LOCAL lock_timeout = %d", d.patience.Milliseconds()))
	batch.Queue("SELECT pg_advisory_xact_lock($1, $2)", lockClass, lockID(d.schema))
}

// inTurn runs f while no other transaction writes the database, and counts it
// among those that have written.
func (t *tx) inTurn(f func(store.Tx) error) error {
	const counted = "SELECT value::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint FROM meta WHERE name = 'commits'"
	batch := &pgx.Batch{}
	t.d.wait(batch)
	batch.Queue(counted).QueryRow(func(row pgx.Row) error { return row.Scan(&t.commits, &t.horizon) })
	if err := t.tx.SendBatch(t.ctx, batch).Close(); err != nil {
		return err
	}
	if t.behind = t.commits != t.d.commits; t.behind {
		clear(t.d.parts) // Others may have dropped some.
	}
	if err := f(t); err != nil {
		return err
	}
	batch = &pgx.Batch{}
	batch.Queue("UPDATE meta SET value = (value::bigint + 1)::text WHERE name = 'commits' AND txid_current_if_assigned() IS NOT NULL")
	batch.Queue(counted).QueryRow(func(row pgx.Row) error { return row.Scan(&t.commits, &t.horizon) })
	return t.tx.SendBatch(t.ctx, batch).Close()
}
