package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	lib "modernc.org/sqlite/lib"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// View opens the file for reading. Its user must be able to write the -shm file
// beside it, which says who reads.
func (f File) View(ctx context.Context) (*store.View, error) {
	d := &database{file: f}
	if err := d.there(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", viewDSN(f.Path, "query_only(on)"))
	if err != nil {
		return nil, d.openError(err)
	}
	db.SetMaxOpenConns(1)
	tx, err := d.beginView(ctx, db)
	if err != nil {
		return nil, errors.Join(d.viewError(ctx, err), db.Close())
	}
	return d.newView(db, tx), nil
}

// newView returns a view that reads in a transaction of db, and closes both.
func (d *database) newView(db *sql.DB, tx *sql.Tx) *store.View {
	return store.NewView(store.ViewConfig{
		Name: d.Name(), Tx: tx, Explain: d.explain, Close: db.Close,
		Schema: "main.", Texts: "SELECT value FROM json_each(%s)",
		Integrity: func(ctx context.Context) (problems, notes []string, err error) {
			problems, err = integrity(ctx, tx)
			return problems, nil, d.readError(ctx, err)
		},
	})
}

// viewDSN names a file that must exist.
func viewDSN(path string, more ...string) string {
	pragmas := append(more, readerCache, "busy_timeout(10000)", "cell_size_check(on)", "trusted_schema(off)", "temp_store(memory)")
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + url.Values{"mode": {"rw"}, "_pragma": pragmas}.Encode()
}

// there says whether there is a file. It must not be opened but by SQLite: to
// close it would drop the locks that this process may have on it.
func (d *database) there() error {
	_, err := os.Stat(d.file.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return &store.Error{Name: d.Name(), Doing: "open", Err: fs.ErrNotExist, Advice: "name the state file that serve writes"}
	}
	return d.openError(err)
}

// viewError explains why a file cannot be read.
func (d *database) viewError(ctx context.Context, err error) error {
	if code(err) != lib.SQLITE_NOTADB {
		return d.readError(ctx, err)
	}
	head := make([]byte, 64)
	file, e := os.Open(d.file.Path)
	if e != nil {
		return d.readError(ctx, err)
	}
	defer file.Close()
	if n, _ := file.Read(head); isBolt(head[:n]) {
		return store.OldVersion(d.Name())
	}
	return d.damaged("it is no database")
}

// beginView begins a transaction whose snapshot is taken.
func (d *database) beginView(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	var id, version, tables int64
	err = errors.Join(
		tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables), // takes the snapshot
		tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id),
		tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version),
	)
	switch {
	case err != nil:
	case tables == 0 && id == 0:
		err = d.damaged("the file is empty")
	case id != applicationID:
		err = d.notOurs()
	case version > 0 && version < int64(store.SchemaVersion()):
		err = store.OldVersion(d.Name())
	case version != int64(store.SchemaVersion()):
		err = store.OtherVersion(d.Name(), int(version))
	}
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

// integrity is SQLite's own check: of pages, indexes and values.
func integrity(ctx context.Context, tx *sql.Tx) (problems []string, err error) {
	const most = 20
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("PRAGMA integrity_check(%d)", most))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if text != "ok" {
			problems = append(problems, "integrity_check: "+text)
		}
	}
	return problems, rows.Err()
}
