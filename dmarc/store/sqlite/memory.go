package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// Memory is a store.Engine that keeps a store in memory, from its Open until it
// is closed. NewMemory makes one. A View waits while the store is written, and
// the store while there is a View.
type Memory struct{ name string }

// NewMemory returns a database of its own.
func NewMemory() Memory { return Memory{"/dmarc-" + rand.Text()} }

// dsn names the database to the driver.
func (m Memory) dsn(more ...string) string {
	pragmas := append(more, "synchronous(off)", "trusted_schema(off)", "temp_store(memory)", "busy_timeout(10000)")
	return "file:" + m.name + "?" + url.Values{"vfs": {"memdb"}, "_pragma": pragmas}.Encode()
}

// Open makes the database.
func (m Memory) Open(_ context.Context, fresh store.Meta) (store.Database, error) {
	d := &database{memory: true}
	err := d.openMemory(m, fresh)
	if err != nil {
		return nil, errors.Join(d.explain("open", err), d.Close())
	}
	return d, nil
}

func (d *database) openMemory(m Memory, fresh store.Meta) (err error) {
	if d.writer, err = connect(m.dsn(writerCache)); err != nil {
		return err
	}
	err = transaction(d.writer, func() error {
		// Nobody asks for an address in what is read once, and the index is a large one.
		return errors.Join(initialise(d.writer, fresh), d.writer.exec("DROP INDEX records_source_ip"))
	})
	if err != nil {
		return err
	}
	if d.reader, err = sql.Open("sqlite", m.dsn("query_only(on)")); err != nil {
		return err
	}
	return errors.Join(d.readMeta(), d.prepare())
}

// View reads the database.
func (m Memory) View(ctx context.Context) (*store.View, error) {
	db, err := sql.Open("sqlite", m.dsn("query_only(on)"))
	if err != nil {
		return nil, fmt.Errorf("open memory: %w", err)
	}
	db.SetMaxOpenConns(1)
	d := &database{memory: true}
	tx, err := d.beginView(ctx, db)
	if err != nil {
		return nil, errors.Join(d.explain("read", err), db.Close())
	}
	return d.newView(db, tx), nil
}
