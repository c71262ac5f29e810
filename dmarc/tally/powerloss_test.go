package tally

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPowerLoss loses writes that were not synced. A transaction writes its
// pages, syncs, writes one of the two meta pages, and syncs again. So power
// may fail when any of the pages are written and the meta page is not, or is
// torn: then the file must hold exactly the transaction before.
func TestPowerLoss(t *testing.T) {
	file := path(t)
	tally := open(t, file, Config{})
	if tally.db.NoSync || tally.db.NoGrowSync || tally.db.NoFreelistSync {
		t.Error("bbolt is told not to sync")
	}
	copyFile := func() []byte {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for i := range 10 {
		commit(t, tally, &Delivery{Source: "a", Key: fmt.Sprint(i), Entries: []*Entry{unique(i)}})
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	page := os.Getpagesize()
	for i := range 10 {
		before, snapshot := copyFile(), tally.Snapshot()
		commit(t, tally, &Delivery{Source: "a", Key: fmt.Sprint("later", i), Entries: []*Entry{unique(100 + i), hostile(i)}})
		after := copyFile()
		for range 5 {
			mixed := mixPages(random, before, after, page)
			if random.IntN(2) == 0 {
				tearMeta(random, mixed, after, page)
			}
			lost := path(t)
			if err := os.WriteFile(lost, mixed, 0o600); err != nil {
				t.Fatal(err)
			}
			recovered := open(t, lost, Config{})
			got := recovered.Snapshot()
			got.Bytes = snapshot.Bytes
			if diff := cmp.Diff(snapshot, got); diff != "" {
				t.Fatalf("seed %d, transaction %d (-before +after the loss):\n%s", seed, i, diff)
			}
			// What was lost comes again and is counted.
			if got := commit(t, recovered, &Delivery{Entries: []*Entry{unique(100 + i)}}); got[0] != OutcomeCounted {
				t.Fatalf("seed %d, transaction %d: outcome %s, want counted", seed, i, got[0])
			}
		}
	}
}

// mixPages returns the file before a transaction with some of the pages that
// the transaction wrote, but none of the two meta pages.
func mixPages(random *rand.Rand, before, after []byte, page int) []byte {
	mixed := bytes.Clone(before)
	if len(after) > len(mixed) {
		mixed = append(mixed, make([]byte, len(after)-len(mixed))...)
	}
	for at := 2 * page; at+page <= len(after); at += page {
		if random.IntN(2) == 0 {
			copy(mixed[at:at+page], after[at:at+page])
		}
	}
	return mixed
}

// tearMeta writes the first part of the meta page that a transaction wrote.
func tearMeta(random *rand.Rand, mixed, after []byte, page int) {
	for at := 0; at < 2*page; at += page {
		if bytes.Equal(mixed[at:at+page], after[at:at+page]) {
			continue
		}
		const metaSize = 80 // page header and meta; the checksum ends it
		n := 1 + random.IntN(metaSize-8)
		copy(mixed[at:at+n], after[at:at+n])
		return
	}
}
