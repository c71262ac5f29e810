package store

import (
	"errors"
	"fmt"
)

// What may be wrong with a store, inside an *Error.
var (
	// ErrDamaged says that the database is truncated, empty, overwritten or torn.
	ErrDamaged = errors.New("damaged")
	// ErrLocked says that another process writes the database.
	ErrLocked = errors.New("another process uses it")
	// ErrVersion says that another version of this package wrote the database.
	ErrVersion = errors.New("written by another version")
	// ErrOlder says that an older version did, so that opening the store brings it up to date.
	ErrOlder = fmt.Errorf("%w: it is an older one", ErrVersion)
	// ErrNone says that the database has no store in it yet.
	ErrNone = errors.New("there is no store")
	// ErrExists says that there is something already where a database is to be made.
	ErrExists = errors.New("there is one already")
	// ErrFull says that there is no room: on the disk, or under a bound that was set.
	ErrFull = errors.New("no room left")
	// ErrReadOnly says that the database cannot be written.
	ErrReadOnly = errors.New("read-only")
	// ErrUnavailable says that the database does not answer.
	ErrUnavailable = errors.New("unavailable")
)

// ErrConflict says, within a transaction of an engine, that another process has
// written what this one was about to: it is tried again with what is there now.
var ErrConflict = errors.New("another process was faster")

// ErrClosed is returned once the Store is closed.
var ErrClosed = errors.New("the store is closed")

// Error says that the database cannot be used. Its text names the database and
// what to do about it.
type Error struct {
	// Name is the database, such as "state file /var/lib/dmarc.db".
	Name string
	// Doing is what was tried: open, read or write.
	Doing string
	// Advice is what helps; empty when only trying again may.
	Advice string
	Err    error
}

// Error returns the database, the cause and the advice.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Doing, e.Name, e.Err)
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

const adviceDamaged = "restore it from a backup, or move it away to count anew (reports that are read again are then counted again)"

// Damaged makes an *Error of ErrDamaged for the database called name.
func Damaged(name, format string, args ...any) error {
	return &Error{
		Name: name, Doing: "read", Advice: adviceDamaged,
		Err: fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...)),
	}
}

// OtherVersion makes an *Error of ErrVersion for the database called name.
func OtherVersion(name string, got int) error {
	return &Error{
		Name: name, Doing: "read", Advice: "use the version that wrote it, or name another one",
		Err: fmt.Errorf("%w: its schema is %d, here it is %d", ErrVersion, got, SchemaVersion()),
	}
}
