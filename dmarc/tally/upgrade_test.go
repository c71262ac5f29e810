package tally

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// schema1 writes the file that the last version with schema 1 made: a TLS and
// a failure report, and those of filling.
func schema1(t *testing.T) (file string) {
	t.Helper()
	packed, err := os.Open("testdata/schema1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	r, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	file = path(t)
	if err := errors.Join(err, os.WriteFile(file, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestUpgrade opens a file of schema 1: nothing of it is lost, nothing counts
// again, and it is a file of the current schema from then on.
func TestUpgrade(t *testing.T) {
	file := schema1(t)
	tally := open(t, file, Config{})
	before := tally.Snapshot()
	if got := total(before, Messages); got != 1000 || before.Identities != 102 {
		t.Errorf("%d messages and %d identities, want 1000 and 102", got, before.Identities)
	}
	for i := range 5 {
		for _, outcome := range commit(t, tally, filling(i)) {
			if outcome != OutcomeDuplicate {
				t.Fatalf("outcome %s, want duplicate", outcome)
			}
		}
	}
	if mark, ok, err := tally.Mark("dir:a", "3"); mark != "m" || !ok || err != nil {
		t.Errorf("mark %q, %t, %v", mark, ok, err)
	}
	generation := tally.Snapshot().Generation
	shut(t, tally)
	tally = open(t, file, Config{})
	if tally.meta.Schema != schema || tally.meta.Generation != generation || generation != before.Generation {
		t.Errorf("meta %+v, generation was %s", tally.meta, before.Generation)
	}
	if diff := cmp.Diff(sums(before, Messages), sums(tally.Snapshot(), Messages)); diff != "" {
		t.Errorf("messages (-before +after):\n%s", diff)
	}
}

// TestUpgradeDamaged does not make good what is not.
func TestUpgradeDamaged(t *testing.T) {
	for name, change := range map[string]func(tx *bolt.Tx) error{
		"an identity is missing": func(tx *bolt.Tx) error {
			k, _ := tx.Bucket(bucketKeys).Cursor().First()
			return tx.Bucket(bucketKeys).Delete(k)
		},
		"totals": func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyTotals, []byte("12345")) },
		"a sum": func(tx *bolt.Tx) error {
			return tx.Bucket(bucketSums).Put([]byte(keyOf(Refusals, "io")), varints(1, 2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := schema1(t)
			alter(t, file, change)
			wantStateError(t, tryOpen(file), file, ErrDamaged, "restore")
		})
	}
}
