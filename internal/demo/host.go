package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
)

// host is the testing.TB of a program: internal/realtest starts servers for
// tests, and the demo is one that a person looks at. What realtest does not use
// is not there.
type host struct {
	testing.TB

	mu       sync.Mutex
	cleanups []func()
	failed   bool
}

// stop is what a failure panics with, on the goroutine of run.
type stop struct{ reason string }

// recover turns a failure into an error.
func (h *host) recover(err *error) {
	switch v := recover().(type) {
	case nil:
	case stop:
		*err = errors.New(v.reason)
	default:
		panic(v)
	}
}

// close runs the clean-ups, the latest first.
func (h *host) close() {
	for _, f := range slices.Backward(h.cleanups) {
		f()
	}
}

// Cleanup implements testing.TB.
func (h *host) Cleanup(f func()) { h.cleanups = append(h.cleanups, f) }

// Helper implements testing.TB.
func (h *host) Helper() {}

// Fatal implements testing.TB.
func (h *host) Fatal(args ...any) {
	h.fail()
	panic(stop{fmt.Sprint(args...)})
}

// Fatalf implements testing.TB.
func (h *host) Fatalf(format string, args ...any) { h.Fatal(fmt.Sprintf(format, args...)) }

// Skip implements testing.TB: without a server there is no demo.
func (h *host) Skip(args ...any) { panic(stop{fmt.Sprint(args...)}) }

// Skipf implements testing.TB.
func (h *host) Skipf(format string, args ...any) { h.Skip(fmt.Sprintf(format, args...)) }

// Error implements testing.TB.
func (h *host) Error(args ...any) {
	h.fail()
	fmt.Fprintln(os.Stderr, args...)
}

// Logf implements testing.TB.
func (h *host) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Failed implements testing.TB: after a failure servers tell what they printed.
func (h *host) Failed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

func (h *host) fail() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = true
}

// TempDir implements testing.TB.
func (h *host) TempDir() string {
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = os.RemoveAll(dir) }) // A server may still hold a file on its way out.
	return dir
}
