package tally

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// schema is the version of the file's form. Version 1 had no keydays and did
// not count rows; it is brought up to date when it is opened.
const schema = 2

// meta is what the file says about itself. Every version reads it.
type meta struct {
	Schema     int       `json:"schema"`
	Created    time.Time `json:"created"`
	Generation string    `json:"generation"`
}

// lockTimeout is how long Open waits for another process, such as one that is
// being replaced, to close the file.
const lockTimeout = 2 * time.Second

// open opens the file, creates it when there is none, and loads the state.
func (t *Tally) open() error {
	info, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := t.create(); err != nil {
			return err
		}
	case err != nil:
		return t.openError(err)
	case info.IsDir():
		return t.openError(&fs.PathError{Op: "open", Path: t.path, Err: syscall.EISDIR})
	case info.Size() == 0:
		// bbolt would make a new file of it: zero in silence.
		return t.damaged("the file is empty")
	}
	if t.db, err = t.openFile(t.path); err != nil {
		return err
	}
	err = t.guarded(t.start)
	if err != nil {
		_ = t.guarded(t.db.Close)
	}
	return err
}

// openFile opens a bbolt file.
func (t *Tally) openFile(path string) (db *bolt.DB, err error) {
	var file *os.File
	options := &bolt.Options{
		Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, MaxSize: int(t.config.MaxBytes),
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(path, flag, mode)
			return file, err
		},
	}
	err = t.guarded(func() error {
		var err error
		db, err = bolt.Open(path, 0o600, options)
		return err
	})
	if err != nil {
		// bbolt leaves it open when it panics, and mapped: the lock lasts until
		// this process ends.
		_ = file.Close()
		return nil, t.openError(err)
	}
	return db, nil
}

// create makes a new file under another name first, so that a crash never
// leaves half of one, and makes its name durable.
func (t *Tally) create() error {
	path := t.path + ".new"
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return t.openError(err)
	}
	db, err := t.openFile(path)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(t.initialise), db.Close()); err != nil {
		return t.writeError(err)
	}
	if err := os.Rename(path, t.path); err != nil {
		return t.openError(err)
	}
	return t.syncDirectory()
}

func (t *Tally) syncDirectory() error {
	dir, err := os.Open(filepath.Dir(t.path))
	if err != nil {
		return t.openError(err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return t.writeError(err)
	}
	return nil
}

// initialise writes what a new file holds.
func (t *Tally) initialise(tx *bolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	var generation [8]byte
	_, _ = rand.Read(generation[:]) // never fails
	text, err := json.Marshal(meta{schema, t.config.Now().UTC().Truncate(time.Millisecond), hex.EncodeToString(generation[:])})
	if err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(keyMeta, text)
}

// start checks the open file, loads it, and begins the series that always exist.
func (t *Tally) start() error {
	if err := t.db.View(t.check); err != nil {
		return err
	}
	if t.meta.Schema < schema {
		if err := t.db.Update(t.upgrade); err != nil {
			return t.writeError(err)
		}
	}
	state, err := t.load()
	if err != nil {
		return err
	}
	d := newDelta(state, t.config.Now().UTC())
	for _, k := range fixedSeries() {
		if _, ok := state.sums[k]; !ok {
			d.increase(k, 0)
		}
	}
	if len(d.sums.changed) > 0 {
		if err := t.db.Update(d.save); err != nil {
			return t.writeError(err)
		}
		d.apply()
	}
	t.state = state
	return nil
}

// check checks that the file is whole and ours.
func (t *Tally) check(tx *bolt.Tx) error {
	info, err := os.Stat(t.path)
	if err != nil {
		return t.openError(err)
	}
	if info.Size() < tx.Size() {
		return t.damaged("the file has %d bytes of %d", info.Size(), tx.Size())
	}
	b := tx.Bucket(bucketMeta)
	if b == nil {
		return &StateError{Path: t.path, Doing: "open", Advice: "name another file", Err: errors.New("it belongs to another program")}
	}
	if err := json.Unmarshal(b.Get(keyMeta), &t.meta); err != nil {
		return t.damaged("%w", err)
	}
	if t.meta.Schema < 1 || t.meta.Schema > schema {
		return &StateError{
			Path: t.path, Doing: "read", Advice: "use the version that wrote it, or name another file",
			Err: fmt.Errorf("%w: its schema is %d, here it is %d", ErrVersion, t.meta.Schema, schema),
		}
	}
	for _, name := range buckets {
		if tx.Bucket(name) == nil && (t.meta.Schema == schema || !bytes.Equal(name, bucketKeyDays)) {
			return t.damaged("it has no %s", name)
		}
	}
	return nil
}
