package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// lockTimeout is how long Open waits for another process, such as one that is
// being replaced, to close the file.
const lockTimeout = 2 * time.Second

// hold opens and locks the file that a path names. The lock keeps other
// processes from opening it as a store, and lasts until it is closed.
func hold(path string, flag int) (*os.File, error) {
	for limit := time.Now().Add(lockTimeout); ; time.Sleep(20 * time.Millisecond) {
		file, err := os.OpenFile(path, flag, 0o600)
		if err != nil {
			return nil, err
		}
		held, err := tryLock(file)
		if held && isAt(path, file) {
			return file, nil
		}
		file.Close() // It is another's, or it was replaced meanwhile.
		if err != nil {
			return nil, err
		}
		if !held && time.Now().After(limit) {
			return nil, store.ErrLocked
		}
	}
}

// isAt reports whether a path names a file.
func isAt(path string, file *os.File) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	info, err := file.Stat()
	return err == nil && os.SameFile(there, info)
}

// take opens and locks the file, and makes one where there is none.
func (d *database) take(fresh store.Meta) (err error) {
	for d.lock == nil {
		d.lock, err = hold(d.file.Path, os.O_RDWR)
		if errors.Is(err, fs.ErrNotExist) {
			err = d.makeNew(fresh)
		}
		if err != nil {
			return d.openError(err)
		}
	}
	return nil
}

// makeNew makes the file, unless another process was faster.
func (d *database) makeNew(fresh store.Meta) error {
	file, err := hold(d.newPath(), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(d.file.Path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, os.Remove(d.newPath()), file.Close())
	}
	err = d.fill(file, fresh, nil)
	if err == nil {
		err = d.install()
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	d.lock = file
	return nil
}

// newPath is where a file is made before it gets its name, so that a crash
// never leaves half of one.
func (d *database) newPath() string { return d.file.Path + ".new" }

// fill makes a database of the file at newPath. more, if there is one, fills it further.
func (d *database) fill(file *os.File, fresh store.Meta, more func(*tx) error) error {
	path := d.newPath()
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return d.openError(err)
		}
	}
	if err := file.Truncate(0); err != nil {
		return d.writeError(err)
	}
	c, err := connect(dsn(path, d.file.MaxBytes, fmt.Sprintf("page_size(%d)", pageSize), "auto_vacuum(incremental)", writerCache))
	if err != nil {
		return d.writeError(err)
	}
	err = transaction(c, func() error {
		if err := initialise(c, fresh); err != nil || more == nil {
			return err
		}
		return more(&tx{c, d})
	})
	if err := errors.Join(err, c.close(), file.Sync()); err != nil {
		return d.writeError(err)
	}
	return nil
}

// install gives the new file its name, durably.
func (d *database) install() error {
	if err := os.Rename(d.newPath(), d.file.Path); err != nil {
		return d.openError(err)
	}
	return d.syncDirectory(filepath.Dir(d.file.Path))
}

// syncDirectory makes the names in a directory durable.
func (d *database) syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return d.openError(err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return d.writeError(err)
	}
	return nil
}
