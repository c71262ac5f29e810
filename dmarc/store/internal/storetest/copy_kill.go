package storetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// copyVariable has the addresses of a copy, and the write after which the child dies.
const copyVariable = "STORE_TEST_COPY"

// CopyKilling kills processes that copy. Their program is the test binary itself,
// whose TestCopyKillChild calls Child.
type CopyKilling struct {
	// Engine opens the database at an address, such as a path.
	Engine   func(address string) store.Engine
	From, To string
}

// Child copies until it kills itself, or skips the test in any other process.
func (k CopyKilling) Child(t *testing.T) {
	variable, ok := os.LookupEnv(copyVariable)
	if !ok {
		t.Skip("runs only as the child of a test")
	}
	parts := strings.Split(variable, "\n")
	maker, _ := k.Engine(parts[1]).(store.Maker)
	n := 0
	_, err := store.Copy(t.Context(), k.Engine(parts[0]), maker, func(int64) {
		if n++; fmt.Sprint(n) == parts[2] {
			process, err := os.FindProcess(os.Getpid())
			if err := errors.Join(err, process.Kill()); err != nil {
				t.Fatal(err)
			}
			select {} // It is dead before anything else is written.
		}
	})
	t.Fatalf("alive after %d writes: %v", n, err)
}

// Run kills copies in the middle and after their last write: nothing of them is there, and nothing of them is in the way of the next one.
func (k CopyKilling) Run(t *testing.T) {
	from, to := World{Engine: k.Engine(k.From)}, World{Engine: k.Engine(k.To)}
	s := openRecords(t, from, store.RecordsAll)
	fillForCopy(t, s)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable, "-test.run=^TestCopyKillChild$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s\n%s\n%d", copyVariable, k.From, k.To, copyWrites))
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "alive") || strings.Contains(string(out), "FAIL") {
		t.Fatalf("%v: %s", err, out)
	}
	if v, err := to.Engine.View(t.Context()); err == nil {
		t.Fatalf("there is a store: %v", v.Close())
	}
	maker, _ := to.Engine.(store.Maker)
	if _, err := store.Copy(t.Context(), from.Engine, maker, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tables(t, from.Engine), tables(t, to.Engine)); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}
