package tally

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// TestDamagedIdentities changes single identities: whoever asks for a report of
// that day learns that the file is damaged, and nothing is counted twice.
func TestDamagedIdentities(t *testing.T) {
	data := filled(t)
	first := func(tx *bolt.Tx) (*bolt.Bucket, []byte, []byte) {
		b := tx.Bucket(bucketKeys)
		k, v := b.Cursor().First()
		return b, bytes.Clone(k), bytes.Clone(v)
	}
	flipped := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 4
		return b
	}
	for name, change := range map[string]func(tx *bolt.Tx) error{
		"hash": func(tx *bolt.Tx) error {
			b, k, v := first(tx)
			return errors.Join(b.Delete(k), b.Put(flipped(k, keySize-1), v))
		},
		"day": func(tx *bolt.Tx) error {
			b, k, v := first(tx)
			return errors.Join(b.Delete(k), b.Put(flipped(k, daySize-1), v))
		},
		"digest":  func(tx *bolt.Tx) error { b, k, v := first(tx); return b.Put(k, flipped(v, 0)) },
		"missing": func(tx *bolt.Tx) error { b, k, _ := first(tx); return b.Delete(k) },
		"more":    func(tx *bolt.Tx) error { b, k, v := first(tx); return b.Put(flipped(k, keySize-1), v) },
	} {
		t.Run(name, func(t *testing.T) {
			file := path(t)
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			alter(t, file, change)
			tally := open(t, file, Config{})
			for range 2 {
				_, err := tally.Commit(context.Background(), filling(0))
				wantStateError(t, err, file, ErrDamaged, "identities of day")
			}
			if got := total(tally.Snapshot(), Messages); got != 1000 {
				t.Errorf("%d messages, want 1000", got)
			}
		})
	}
}

// TestKeyDaysFollow keeps what days come to right through conflicts and expiry.
func TestKeyDaysFollow(t *testing.T) {
	clock := now
	config := Config{Horizon: 48 * time.Hour, CountConflicts: true, Now: func() time.Time { return clock }}
	file := path(t)
	tally := open(t, file, config)
	for i := range 700 { // more than one transaction expires
		d := &Delivery{Entries: []*Entry{unique(i)}}
		if i%7 == 0 {
			d.Entries = append(d.Entries, entry(func(e *Entry) { *e = *unique(i); e.Digest[7]++ }))
		}
		commit(t, tally, d)
	}
	for range 4 {
		clock = clock.Add(30 * time.Hour)
		for i := range 3 {
			commit(t, tally, &Delivery{Entries: []*Entry{entry(func(e *Entry) {
				e.ReportID, e.Begin, e.End = fmt.Sprint(clock, i), clock.Add(-25*time.Hour), clock.Add(-time.Hour)
			})}})
		}
		shut(t, tally)
		tally = open(t, file, config) // counts rows and identities
		err := tally.db.View(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketKeys).ForEach(func(k, _ []byte) error {
				return tally.verify(tx.Bucket(bucketKeys), newDelta(tally.state, clock), binary.BigEndian.Uint32(k))
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := tally.Snapshot().Identities; n < 3 || n > 6 {
		t.Errorf("%d identities, want those of two days", n)
	}
}

// BenchmarkVerify is what the first report of a day costs that has so many identities.
func BenchmarkVerify(b *testing.B) {
	const keys = 10_000
	tally := open(b, path(b), Config{})
	d := &Delivery{}
	for i := range keys {
		d.Entries = append(d.Entries, unique(i))
	}
	if _, err := tally.Commit(context.Background(), d); err != nil {
		b.Fatal(err)
	}
	for range b.N {
		clear(tally.verified)
		err := tally.db.View(func(tx *bolt.Tx) error {
			return tally.verify(tx.Bucket(bucketKeys), newDelta(tally.state, now), dayOf(unique(0).End))
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/identity")
}
