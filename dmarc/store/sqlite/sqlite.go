package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"

	_ "modernc.org/sqlite" // the driver of the readers

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// File is a store.Engine that keeps a store in a file.
type File struct {
	Path string
	// MaxBytes bounds the file; commits fail once it is reached. 0 means no bound.
	MaxBytes int64
}

// database is an open file.
type database struct {
	file   File
	memory bool // there is no file
	meta   store.Meta
	lock   *os.File
	writer *conn
	reader *sql.DB
	mark   *sql.Stmt // what is asked for most often
}

// applicationID is what the header of the file says it is for: "dmrc".
const applicationID = 0x646d7263

// pageSize is the size of the pages of a new file.
const pageSize = 4096

// Open opens the file, or creates it. A state file of version 0.1.0, which
// has another form, is brought into this one, and the old file is kept beside
// it with .v0 at the end of its name.
func (f File) Open(_ context.Context, fresh store.Meta) (store.Database, error) {
	d := &database{file: f}
	err := d.guarded(func() error { return d.open(fresh) })
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *database) open(fresh store.Meta) error {
	if err := d.take(fresh); err != nil {
		return err
	}
	if err := d.knowForm(); err != nil {
		return err
	}
	if err := d.connect(); err != nil {
		return err
	}
	if err := d.check(); err != nil {
		return err
	}
	return d.prepare()
}

// knowForm looks at the start of the file and brings an old form up to date.
func (d *database) knowForm() error {
	head := make([]byte, 64)
	n, err := d.lock.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return d.openError(err)
	}
	head = head[:n]
	switch {
	case n == 0:
		// SQLite would make a new file of it: zero in silence.
		return d.damaged("the file is empty")
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return nil
	case isBolt(head):
		return d.upgrade()
	}
	return d.damaged("it is no database")
}

// initialise writes what a new file holds.
func initialise(c *conn, fresh store.Meta) error {
	if err := c.exec(fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	if err := migrate(c, 0); err != nil {
		return err
	}
	for _, meta := range [][2]string{{"created", strconv.FormatInt(fresh.Created, 10)}, {"generation", fresh.Generation}} {
		if err := c.exec("INSERT INTO meta (name, value) VALUES (?, ?)", meta[0], meta[1]); err != nil {
			return err
		}
	}
	return nil
}

// migrate brings the schema from a version to the current one.
func migrate(c *conn, from int) error {
	for _, statements := range store.Migrations("sqlite", from) {
		for _, statement := range statements {
			if err := c.exec(statement); err != nil {
				return fmt.Errorf("%w: %s", err, statement)
			}
		}
	}
	return c.exec(fmt.Sprintf("PRAGMA user_version = %d", store.SchemaVersion()))
}

// transaction runs f in a transaction.
func transaction(c *conn, f func() error) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		if err = c.exec("COMMIT"); err == nil {
			return nil
		}
	}
	_ = c.exec("ROLLBACK") // There may be nothing left to roll back.
	return err
}

// dsn names a file to the driver, with what holds for each connection.
func dsn(path string, maxBytes int64, more ...string) string {
	pragmas := append(more, []string{ // those of a new file must come first
		"journal_mode(wal)", "synchronous(full)", "busy_timeout(10000)", "cell_size_check(on)", "trusted_schema(off)",
		"temp_store(memory)", "journal_size_limit(33554432)",
	}...)
	if maxBytes > 0 {
		pragmas = append(pragmas, fmt.Sprintf("max_page_count(%d)", max(maxBytes/pageSize, 1)))
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + url.Values{"_pragma": pragmas}.Encode()
}

// The memory for pages: of the writer, which touches the same ones again and
// again, and of each reader.
const (
	writerCache = "cache_size(-4096)"
	readerCache = "cache_size(-1024)"
)

// connect opens the connections.
func (d *database) connect() (err error) {
	if d.writer, err = connect(dsn(d.file.Path, d.file.MaxBytes, writerCache)); err != nil {
		return d.openError(err)
	}
	d.reader, err = sql.Open("sqlite", dsn(d.file.Path, 0, readerCache, "query_only(on)"))
	if err != nil {
		return d.openError(err)
	}
	d.reader.SetMaxOpenConns(readers)
	d.reader.SetMaxIdleConns(readers)
	return nil
}

// prepare prepares what is asked for often, once the schema is there.
func (d *database) prepare() (err error) {
	if d.mark, err = d.reader.Prepare("SELECT value, guard FROM marks WHERE source = ? AND input = ?"); err != nil {
		return d.openError(err)
	}
	return nil
}

// readers is how many goroutines may read at once.
const readers = 3

// check checks that the file is ours and of this version, or brings it up to date.
func (d *database) check() error {
	id, err := d.writer.number("PRAGMA application_id")
	if err != nil {
		return d.openError(err)
	}
	if id != applicationID {
		return d.notOurs()
	}
	err = transaction(d.writer, func() error {
		version, err := d.writer.number("PRAGMA user_version")
		switch {
		case err != nil:
			return err
		case version < 1 || version > int64(store.SchemaVersion()):
			return store.OtherVersion(d.Name(), int(version))
		case version < int64(store.SchemaVersion()):
			return migrate(d.writer, int(version))
		}
		return nil
	})
	if err != nil {
		return d.openError(err)
	}
	return d.readMeta()
}

// notOurs says that a file is a database of something else.
func (d *database) notOurs() error {
	return &store.Error{Name: d.Name(), Doing: "open", Advice: "name another file", Err: errors.New("it belongs to another program")}
}

// guarded runs f on the file. The shared memory beside it is mapped: reading
// it after somebody cut it is a memory fault, which is an error here.
func (d *database) guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = d.damaged("%v", v)
		}
	}()
	return f()
}

// Name returns the path, as errors have it.
func (d *database) Name() string {
	if d.memory {
		return "state in memory"
	}
	return "state file " + d.file.Path
}

// Meta returns what the file says about itself.
func (d *database) Meta() store.Meta { return d.meta }

// Close closes the file.
func (d *database) Close() error {
	var errs []error
	if d.reader != nil {
		errs = append(errs, d.reader.Close())
	}
	if d.writer != nil {
		errs = append(errs, d.guarded(d.writer.close))
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}
