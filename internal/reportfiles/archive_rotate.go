package reportfiles

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The names of an archive: path is written, path.1.gz is the newest of those that
// are full, path.2.gz the one before. For a moment the newest is path.1, and
// those of version 0.1.0 are never packed.

// packed ends the names of files that are packed.
const packed = ".gz"

// name returns the name of a full file without the end.
func (a *Archive) name(n int) string { return fmt.Sprintf("%s.%d", a.config.Path, n) }

// rotate makes the current file the newest of the full ones, and begins another.
func (a *Archive) rotate() error {
	if err := a.sync(); err != nil {
		return err
	}
	// What failed before is finished first: path.1 must have its last name.
	if err := errors.Join(a.pack(), a.shift()); err != nil {
		return err
	}
	if err := os.Rename(a.config.Path, a.name(1)); err != nil {
		return err
	}
	old := a.file
	if err := a.open(); err != nil {
		// Lines go on to the old file, under its old name.
		a.file = old
		return errors.Join(err, os.Rename(a.name(1), a.config.Path))
	}
	old.Close() // It was synced.
	if err := syncDirectory(a.config.Path); err != nil {
		return err
	}
	return a.pack()
}

// shift makes room for another path.1: those before move by one, up to the first
// gap, and the last one goes when there is none. So a crash in between loses
// nothing, and the next time goes on.
func (a *Archive) shift() error {
	gap := 1
	for gap <= a.config.Files && a.find(gap) != "" {
		gap++
	}
	if gap > a.config.Files {
		gap = a.config.Files
		if err := os.Remove(a.find(gap)); err != nil {
			return err
		}
	}
	for n := gap - 1; n > 0; n-- {
		from, to := a.find(n), a.name(n+1)
		if filepath.Ext(from) == packed {
			to += packed
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return nil
}

// find returns the name of a full file, or nothing.
func (a *Archive) find(n int) string {
	for _, name := range []string{a.name(n) + packed, a.name(n)} {
		if _, err := os.Lstat(name); err == nil {
			return name
		}
	}
	return ""
}

// pack packs path.1, if there is one. When there is a packed one as well it is
// of the same: it has that name only since it is whole.
func (a *Archive) pack() error {
	plain := a.name(1)
	to, temporary := plain+packed, plain+packed+".new"
	_, err := os.Lstat(plain)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, found := os.Lstat(to); err == nil && errors.Is(found, fs.ErrNotExist) {
		if err = packFile(plain, temporary); err == nil {
			err = os.Rename(temporary, to)
		}
		if err == nil {
			err = syncDirectory(to)
		}
	}
	if err != nil {
		return fmt.Errorf("pack %s: %w", plain, err)
	}
	return os.Remove(plain)
}

// packFile writes a packed copy of a file, durably.
func packFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(out)
	z := gzip.NewWriter(buffered)
	_, err = io.Copy(z, in)
	err = errors.Join(err, z.Close(), buffered.Flush(), out.Sync(), out.Close())
	if err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// syncDirectory makes the names beside a file durable.
func syncDirectory(file string) error {
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
