package ingest

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic that was caught: a mistake of this program, which must cost
// nobody but the source that met it.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the value of the panic.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Guard calls work and returns its panic, if any, as a *PanicError. A source
// guards each goroutine that it starts: nobody else can catch their panics.
func Guard(work func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return work()
}
