package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// Backup writes what is committed to another file, while another process may
// write this one. The new file is checked as a whole, as store.Check does,
// before it gets its name: a file that was there is replaced by nothing less.
func (f File) Backup(ctx context.Context, to string) (*store.Checked, error) {
	d := &database{file: f}
	if err := d.there(); err != nil {
		return nil, err
	}
	if err := apart(f.Path, to); err != nil {
		return nil, err
	}
	temporary := to + ".new"
	b := &database{file: File{Path: temporary}}
	if err := errors.Join(remove(temporary), d.copyTo(ctx, temporary)); err != nil {
		return nil, errors.Join(err, remove(temporary))
	}
	checked, err := store.Check(ctx, b.file)
	if err == nil && len(checked.Problems) > 0 {
		err = fmt.Errorf("the backup is not whole, and %s was not written: %s", to, strings.Join(checked.Problems, "; "))
	}
	if err == nil {
		err = b.name(to)
	}
	if err != nil {
		return nil, errors.Join(err, remove(temporary))
	}
	return checked, nil
}

// apart holds that two paths are not the same file.
func apart(from, to string) error {
	there, err := os.Stat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case there.IsDir():
		return fmt.Errorf("%s is a directory: name a file", to)
	}
	info, err := os.Stat(from)
	if err == nil && os.SameFile(info, there) {
		err = fmt.Errorf("%s is the state file itself: name another file", to)
	}
	return err
}

// remove removes a file and what SQLite has beside it.
func remove(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// copyTo writes a snapshot to a file that does not exist.
func (d *database) copyTo(ctx context.Context, path string) error {
	// Nobody else may read it.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return (&database{file: File{Path: path}}).openError(err)
	}
	defer file.Close()
	db, err := sql.Open("sqlite", viewDSN(d.file.Path))
	if err != nil {
		return d.openError(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		if diskFull(err) {
			return (&database{file: File{Path: path}}).writeError(err)
		}
		return d.readError(ctx, err)
	}
	return file.Sync()
}

// name gives the file its name, durably.
func (d *database) name(to string) error {
	if err := os.Rename(d.file.Path, to); err != nil {
		return d.openError(err)
	}
	return d.syncDirectory(filepath.Dir(to))
}
