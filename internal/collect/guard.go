package collect

import (
	"fmt"
	"runtime/debug"
)

// Guard calls f and turns a panic into an error: a bug in one collector must not
// end the program that it is part of.
func Guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// PanicError is a panic that was caught.
type PanicError struct {
	Value any    // of the panic
	Stack []byte // where it happened
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
