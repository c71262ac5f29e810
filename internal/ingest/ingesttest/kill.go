package ingesttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
	"github.com/dmarc-suite/dmarc-suite/internal/state"
)

// Counts is what a state holds, or should hold.
type Counts struct {
	Messages, Counted, Duplicates, Invalid int64
	// Recorded is the sum over the records that are kept.
	Recorded int64
}

// Kill kills a program again and again while it reads a directory, or whatever
// else Offer and Pending make of it.
type Kill struct {
	// Dir is the directory, State the state file of the program, or Database the
	// address of its PostgreSQL.
	Dir, State, Database string
	// Offer puts an input where the program finds it, Pending counts those that
	// are not acknowledged. Nil ones are about files in Dir.
	Offer   func(t testing.TB, n int, content []byte)
	Pending func(t testing.TB) int
	// Kills is how often the program is killed, Inputs how many files there are in all.
	Kills, Inputs int
	// Longest is the longest life of the program between two kills; 0 measures
	// how long the first inputs take and gives it half as much again.
	Longest time.Duration
	// Trap, if it is set, is where a program with a mistake is killed, instead of
	// at random moments.
	Trap Trap
	// Acknowledges says that the mistake is an acknowledgement, so that there
	// must have been one before the kill.
	Acknowledges bool
	// Command makes the program. It must read the inputs and have the StateFlag.
	Command func() *exec.Cmd
}

// Run offers inputs in portions, starts the program, and kills it with SIGKILL
// at a random moment, for each portion. At last it lets the program live until
// the counts are right or nothing is left to read. It returns what the inputs
// hold and what the state has.
func (k *Kill) Run(t testing.TB) (want, got Counts) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(k.Kills)))
	written := 0
	for round := range k.Kills {
		for ; written < k.Inputs*(round+1)/k.Kills; written++ {
			k.write(t, written, &want)
		}
		if k.Trap != "" {
			k.trap(t)
			continue
		}
		if k.Longest == 0 {
			k.Longest = k.measure(t) * 3 / 2
			continue
		}
		cmd := k.start(t)
		time.Sleep(time.Duration(random.Int64N(int64(k.Longest))))
		k.kill(t, cmd)
	}
	// What is left takes as long as it takes, on a busy machine too.
	last := Counts{}
	for life := 2 * k.Longest; life < realtest.Patience; life *= 2 {
		cmd := k.start(t)
		time.Sleep(life)
		k.kill(t, cmd)
		last, got = got, k.counts(t)
		if got == want || got == last && k.pending(t) == 0 {
			break
		}
	}
	return want, got
}

// trap kills the program after it made its mistake.
func (k *Kill) trap(t testing.TB) {
	t.Helper()
	k.Trap.set(t)
	cmd := k.start(t)
	waiting := k.pending(t)
	realtest.Eventually(t, "the mistake", func() bool {
		return k.Trap.sprung() && (!k.Acknowledges || k.pending(t) < waiting)
	})
	k.kill(t, cmd)
	k.Trap.remove(t)
}

// measure kills the program as soon as nothing waits any more, and returns how long that took.
func (k *Kill) measure(t testing.TB) time.Duration {
	t.Helper()
	start := time.Now()
	cmd := k.start(t)
	realtest.Eventually(t, "all inputs acknowledged", func() bool { return k.pending(t) == 0 })
	took := time.Since(start)
	k.kill(t, cmd)
	return took
}

// pending counts the inputs that wait; where files stay they are all there for ever.
func (k *Kill) pending(t testing.TB) int {
	t.Helper()
	if k.Pending != nil {
		return k.Pending(t)
	}
	files, err := filepath.Glob(filepath.Join(k.Dir, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// write adds one input: every fifth is a report that was there before, every fiftieth none at all.
func (k *Kill) write(t testing.TB, n int, want *Counts) {
	t.Helper()
	content := Report(fmt.Sprintf("r%d", n), n%7+1)
	switch {
	case n%50 == 49:
		content = fmt.Appendf(nil, "no report %d\n", n)
		want.Invalid++
	case n%5 == 4:
		content = Report(fmt.Sprintf("r%d", n-1), (n-1)%7+1)
		want.Duplicates++
	default:
		want.Counted++
		want.Messages += int64(n%7 + 1)
		want.Recorded = want.Messages
	}
	if k.Offer != nil {
		k.Offer(t, n, content)
		return
	}
	k.file(t, n, content)
}

// file makes an input a file.
func (k *Kill) file(t testing.TB, n int, content []byte) {
	t.Helper()
	path := filepath.Join(k.Dir, fmt.Sprintf("%05d.xml", n))
	// A time in the past says that nobody writes it any more.
	if err := os.WriteFile(path+".tmp", content, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path+".tmp", old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func (k *Kill) start(t testing.TB) *exec.Cmd {
	t.Helper()
	cmd := k.Command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func (k *Kill) kill(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatalf("the program ended by itself: %v", err)
	}
	// It was killed, which is an error of its kind.
	_ = cmd.Wait()
	if cmd.ProcessState.Exited() {
		t.Fatalf("the program ended by itself: %s", cmd.ProcessState)
	}
}

// StateFlag is the flag that names the state.
func (k *Kill) StateFlag() string {
	if k.Database != "" {
		return "--state.database=" + k.Database
	}
	return "--state.file=" + k.State
}

// Open opens the state, which nobody uses at the moment, and checks it.
func (k *Kill) Open(t testing.TB) *store.Store {
	t.Helper()
	engine, err := state.Engine(k.State, 0, k.Database)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(context.Background(), engine, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	checked, err := store.Check(context.Background(), engine)
	if err != nil || len(checked.Problems) > 0 {
		t.Fatalf("the state is not whole: %+v, %v", checked, err)
	}
	return s
}

// counts reads the state.
func (k *Kill) counts(t testing.TB) Counts {
	t.Helper()
	store := k.Open(t)
	defer store.Close()
	var recorded int64
	row := store.SQL().QueryRowContext(t.Context(), "SELECT coalesce(sum(count), 0) FROM dmarc_records")
	if err := row.Scan(&recorded); err != nil {
		t.Fatal(err)
	}
	return Counts{
		Recorded:   recorded,
		Messages:   Sum(store, tally.Messages),
		Counted:    Sum(store, tally.Reports, string(tally.OutcomeCounted)),
		Duplicates: Sum(store, tally.Reports, string(tally.OutcomeDuplicate)),
		Invalid:    Sum(store, tally.Refusals),
	}
}
