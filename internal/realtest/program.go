package realtest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Program returns the path of a program of exporters/ as users build it, for tests
// that measure: the race detector takes several times the memory. Tests never
// build it themselves: `make test REQUIRE_SERVICES=1` builds all of them once and
// names their folder in TEST_PROGRAMS. Without it the test is skipped, or fails if
// REQUIRE_SERVICES=1.
func Program(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("TEST_PROGRAMS")
	if dir == "" {
		lacking(t, "TEST_PROGRAMS is not set: make builds the programs with REQUIRE_SERVICES=1")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("TEST_PROGRAMS has no %s: %v", name, err)
	}
	return path
}

// Linked returns the path of a program that is the test binary under another
// name, which its TestMain makes a command of: it has the race detector when the
// test has it, and nothing is built for it.
func Linked(t testing.TB, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Count returns how often a test does something: what the environment variable
// name says, or the short form that is enough for each day. `make kill-test` sets
// the long forms.
func Count(t testing.TB, name string, short int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a positive number", name, text)
	}
	return n
}
