package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// Make makes the file, which must not exist, and fills it. It has another name
// until it is complete.
func (f File) Make(_ context.Context, meta store.Meta, fill func(store.Tx) error) error {
	d := &database{file: f}
	return d.guarded(func() error {
		file, err := hold(d.newPath(), os.O_RDWR|os.O_CREATE)
		if err != nil {
			return d.openError(err)
		}
		err = d.absent()
		if err == nil {
			err = d.fill(file, meta, func(t *tx) error { return fill(t) })
		}
		if err == nil {
			err = d.install()
		}
		if err != nil {
			err = errors.Join(err, remove(d.newPath()))
		}
		return errors.Join(err, file.Close())
	})
}

// absent holds that there is no file, and none that SQLite would take for its log.
func (d *database) absent() error {
	for _, suffix := range []string{"", "-wal", "-journal"} {
		_, err := os.Lstat(d.file.Path + suffix)
		switch {
		case err == nil:
			return &store.Error{
				Name: "state file " + d.file.Path + suffix, Doing: "make", Err: store.ErrExists, Advice: "name another file, or move it away",
			}
		case !errors.Is(err, fs.ErrNotExist):
			return d.openError(err)
		}
	}
	return nil
}
