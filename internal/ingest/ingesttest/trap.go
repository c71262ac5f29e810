package ingesttest

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// Trap is the path of a file that stops a program in the middle of a mistake,
// so that a kill hits it there on any machine.
type Trap string

// Stop is called where the mistake is. It blocks for ever when the trap is set,
// and returns at once when it is not.
func (p Trap) Stop() {
	err := os.Rename(string(p), string(p)+".sprung")
	if err == nil || p.sprung() {
		select {}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		panic(err)
	}
}

func (p Trap) set(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(string(p), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p Trap) sprung() bool {
	_, err := os.Stat(string(p) + ".sprung")
	return err == nil
}

func (p Trap) remove(t testing.TB) {
	t.Helper()
	if err := os.Remove(string(p) + ".sprung"); err != nil {
		t.Fatal(err)
	}
}
