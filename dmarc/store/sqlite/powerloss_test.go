package sqlite

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store/internal/storetest"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// sector is what a disk writes as a whole.
const sector = 512

// TestPowerLoss loses writes that were not synced. A transaction appends to the
// log and syncs it: until then any of its sectors may be missing, and the file
// must hold exactly the transaction before. A checkpoint copies pages of the
// log, which is synced, into the file: any of them may be missing or torn, and
// nothing is lost. POWER_LOSSES makes it more of each; make kill-test does.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	losses := realtest.Count(t, "POWER_LOSSES", 2)
	file := path(t)
	s := storetest.Open(t, File{Path: file}, tally.Config{})
	other, err := connect(dsn(file, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	for pragma, want := range map[string]int64{"synchronous": 2, "cell_size_check": 1, "auto_vacuum": 2, "page_size": pageSize} {
		if got, err := other.number("PRAGMA " + pragma); got != want || err != nil {
			t.Errorf("%s is %d, want %d; %v", pragma, got, want, err)
		}
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var before disk
	for i := range 12 {
		before = copyDisk(t, file)
		snapshot := s.Snapshot()
		d := storetest.Of(storetest.Unique(i), storetest.Unique(1000+i))
		d.Source, d.Key = "a", fmt.Sprint(i)
		storetest.Commit(t, s, d)
		after := copyDisk(t, file)
		for range losses {
			lost := disk{before.data, mix(random, beginLog(before.wal, after.wal), after.wal)}
			recovers(t, lost, snapshot, d, fmt.Sprintf("seed %d, transaction %d", seed, i))
		}
		if i%4 != 3 {
			continue
		}
		if err := other.exec("PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
			t.Fatal(err)
		}
		written := copyDisk(t, file)
		for range losses {
			torn := disk{mix(random, after.data, written.data), after.wal}
			recovers(t, torn, s.Snapshot(), nil, fmt.Sprintf("seed %d, checkpoint %d", seed, i))
		}
	}
}

// disk is what a file and its log hold.
type disk struct{ data, wal []byte }

func copyDisk(t *testing.T, file string) (d disk) {
	t.Helper()
	var err error
	if d.data, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	d.wal, _ = os.ReadFile(file + "-wal") // There may be none yet.
	return d
}

// beginLog returns a log with the head that it has after a transaction. When a
// log begins anew its head is synced before anything else is written.
func beginLog(before, after []byte) []byte {
	const head = 32
	before = bytes.Clone(before)
	if len(before) >= head {
		copy(before, after[:head])
	}
	return before
}

// mix returns before with some, but not all, of the sectors that after changed.
func mix(random *rand.Rand, before, after []byte) []byte {
	mixed := bytes.Clone(before)
	if len(after) > len(mixed) {
		mixed = append(mixed, make([]byte, len(after)-len(mixed))...)
	}
	var changed []int
	for at := 0; at < len(after); at += sector {
		end := min(at+sector, len(after))
		if !bytes.Equal(mixed[at:end], after[at:end]) {
			changed = append(changed, at)
		}
	}
	random.Shuffle(len(changed), func(i, j int) { changed[i], changed[j] = changed[j], changed[i] })
	for _, at := range changed[:random.IntN(max(len(changed), 1))] {
		end := min(at+sector, len(after))
		copy(mixed[at:end], after[at:end])
	}
	return mixed
}

// recovers holds what a disk has after power came back. What was lost comes
// again and is counted.
func recovers(t *testing.T, d disk, want *tally.Snapshot, lost *store.Delivery, what string) {
	t.Helper()
	file := path(t)
	if err := os.WriteFile(file, d.data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+"-wal", d.wal, 0o600); err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, File{Path: file}, tally.Config{})
	got := s.Snapshot()
	got.Bytes = want.Bytes
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-before +after the loss):\n%s", what, diff)
	}
	if lost == nil {
		return
	}
	for _, outcome := range storetest.Commit(t, s, lost) {
		if outcome != tally.OutcomeCounted {
			t.Fatalf("%s: outcome %s, want counted", what, outcome)
		}
	}
	storetest.Close(t, s)
}
