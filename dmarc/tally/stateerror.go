package tally

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"
)

// What may be wrong with a state file, inside a *StateError.
var (
	// ErrDamaged says that the file is truncated, empty, overwritten or torn.
	ErrDamaged = errors.New("damaged")
	// ErrLocked says that another process has the file open.
	ErrLocked = errors.New("another process uses it")
	// ErrVersion says that another version of this package wrote the file.
	ErrVersion = errors.New("written by another version")
	// ErrFull says that there is no room: on the disk, or under Config.MaxBytes.
	ErrFull = errors.New("no room left")
)

// StateError says that the state file cannot be used. Its text names the file
// and what to do about it.
type StateError struct {
	Path string
	// Doing is what was tried: open, read or write.
	Doing string
	// Advice is what helps; empty when only trying again may.
	Advice string
	Err    error
}

// Error returns the file, the cause and the advice.
func (e *StateError) Error() string {
	s := fmt.Sprintf("%s state file %s: %v", e.Doing, e.Path, e.Err)
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap returns the cause.
func (e *StateError) Unwrap() error { return e.Err }

const adviceDamaged = "restore it from a backup, or move it away to count anew (reports that are read again are then counted again)"

// damaged makes an error of ErrDamaged.
func (t *Tally) damaged(format string, args ...any) error {
	return &StateError{
		Path: t.path, Doing: "read", Advice: adviceDamaged,
		Err: fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...)),
	}
}

// openError says why a file cannot be opened.
func (t *Tally) openError(err error) error {
	e := &StateError{Path: t.path, Doing: "open", Err: err}
	var (
		state *StateError
		path  *fs.PathError
	)
	if errors.As(err, &path) {
		e.Err = path.Err // the path is said already
	}
	switch {
	case errors.As(err, &state):
		return err
	case errors.Is(err, berrors.ErrTimeout):
		e.Err, e.Advice = ErrLocked, "stop the other process, or give each a file of its own"
	case errors.Is(err, fs.ErrNotExist):
		e.Advice = "create its directory"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Advice = "let the user of this process read and write the file and its directory"
	case diskFull(err):
		return t.writeError(err)
	case errors.Is(err, syscall.EISDIR):
		e.Advice = "name a file, not a directory"
	default:
		return t.damaged("%w", err)
	}
	return e
}

// writeError says why a transaction failed.
func (t *Tally) writeError(err error) error {
	e := &StateError{Path: t.path, Doing: "write", Err: err}
	var state *StateError
	switch {
	case errors.As(err, &state):
		return err
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return ErrClosed
	case errors.Is(err, berrors.ErrMaxSizeReached):
		e.Err, e.Advice = fmt.Errorf("%w: %w", ErrFull, err), "allow it to grow, or shorten the horizon"
	case diskFull(err):
		e.Err, e.Advice = fmt.Errorf("%w: %w", ErrFull, err), "make room on the disk"
	}
	return e
}

// diskFull reports whether an error comes from a lack of space. bbolt does not
// wrap all of its errors, hence the look at the text.
func diskFull(err error) bool {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}

// guarded runs f on the file. bbolt panics on many damaged files, and reading a
// file that was cut while it is mapped is a memory fault: both are errors here.
func (t *Tally) guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = t.damaged("%v", v)
		}
	}()
	return f()
}
