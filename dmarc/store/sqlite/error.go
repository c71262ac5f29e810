package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// damaged makes an error of store.ErrDamaged.
func (d *database) damaged(format string, args ...any) error {
	return store.Damaged(d.Name(), format, args...)
}

// code returns the primary code of an error of SQLite, or -1.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return -1
}

// openError says why a file cannot be opened or read.
func (d *database) openError(err error) error { return d.explain("open", err) }

// writeError says why a transaction failed.
func (d *database) writeError(err error) error { return d.explain("write", err) }

// explain adds to an error what an operator can do.
func (d *database) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	e := &store.Error{Name: d.Name(), Doing: doing, Err: err}
	var (
		known *store.Error
		path  *fs.PathError
	)
	if errors.As(err, &known) {
		return err
	}
	if errors.As(err, &path) {
		e.Err = path.Err // the path is named already
	}
	switch c := code(err); {
	case errors.Is(err, store.ErrLocked), c == lib.SQLITE_BUSY:
		e.Err, e.Advice = store.ErrLocked, "stop the other process, or give each a file of its own"
	case errors.Is(err, fs.ErrNotExist):
		e.Advice = "create its directory"
	case c == lib.SQLITE_CORRUPT, c == lib.SQLITE_NOTADB, c == lib.SQLITE_FORMAT, c == lib.SQLITE_ERROR, c == lib.SQLITE_CONSTRAINT:
		return d.damaged("%w", err)
	case c == lib.SQLITE_READONLY, errors.Is(err, syscall.EROFS):
		e.Doing, e.Err, e.Advice = "write", fmt.Errorf("%w: %w", store.ErrReadOnly, e.Err), "let the user of this process write the file and its directory"
	case errors.Is(err, fs.ErrPermission), c == lib.SQLITE_PERM, c == lib.SQLITE_CANTOPEN:
		e.Advice = "let the user of this process read and write the file and its directory"
	case c == lib.SQLITE_FULL && d.atBound():
		e.Doing, e.Err, e.Advice = "write", fmt.Errorf("%w: %w", store.ErrFull, e.Err), "allow it to grow, or shorten the horizon or the retention of records"
	case diskFull(err):
		e.Doing, e.Err, e.Advice = "write", fmt.Errorf("%w: %w", store.ErrFull, e.Err), "make room on the disk"
	case errors.Is(err, syscall.EISDIR):
		e.Advice = "name a file, not a directory"
	}
	return e
}

// atBound reports whether the file has grown to its bound.
func (d *database) atBound() bool {
	if d.file.MaxBytes <= 0 || d.writer == nil {
		return false
	}
	pages, err := d.writer.number("PRAGMA page_count")
	return err == nil && (pages+64)*pageSize >= d.file.MaxBytes
}

// diskFull reports whether an error comes from a lack of space. SQLite tells
// more of a disk that is full than of a write that fails, which mostly means it.
func diskFull(err error) bool {
	if code(err) == lib.SQLITE_FULL {
		return true
	}
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}
