package tally

import (
	"testing"

	bolt "go.etcd.io/bbolt"
)

// keys returns how many identities the file holds.
func (t *Tally) keys(tb testing.TB) (n int) {
	tb.Helper()
	err := t.db.View(func(tx *bolt.Tx) error {
		n = tx.Bucket([]byte(bucketKeys)).Stats().KeyN
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}
