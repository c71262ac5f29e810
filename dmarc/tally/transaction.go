package tally

import (
	"encoding/binary"
	"time"

	bolt "go.etcd.io/bbolt"
)

// transaction is the file within one transaction.
type transaction struct{ tx *bolt.Tx }

func (t transaction) get(bucket string, k key) []byte { return t.tx.Bucket([]byte(bucket)).Get(k[:]) }

func (t transaction) put(bucket string, k key, value []byte) error {
	return t.tx.Bucket([]byte(bucket)).Put(k[:], value)
}

// note keeps what the source wants to remember about a delivery.
func (t transaction) note(d *Delivery) error {
	if d.Key != "" {
		if err := t.tx.Bucket([]byte(bucketMarks)).Put(markKey(d.Source, d.Key), []byte(d.Mark)); err != nil {
			return err
		}
	}
	if d.Cursor != nil {
		return t.tx.Bucket([]byte(bucketCursors)).Put([]byte(d.Source), d.Cursor)
	}
	return nil
}

func markKey(source, key string) []byte { return []byte(source + "\x00" + key) }

// maxExpired bounds how many keys one transaction deletes, so that none takes long.
const maxExpired = 200

// expire deletes keys and days that nothing can ask for any more.
func (t *Tally) expire(tx *bolt.Tx, now time.Time) error {
	// A report that ends on the first day of the horizon can still come.
	horizon := now.Add(-t.config.Horizon)
	for bucket, oldest := range map[string]uint32{
		bucketKeys: dayOf(horizon), bucketTwins: dayOf(horizon), bucketDays: dayOf(now) - keptDays,
	} {
		c := tx.Bucket([]byte(bucket)).Cursor()
		n := 0
		for k, _ := c.First(); k != nil && n < maxExpired && binary.BigEndian.Uint32(k) < oldest; k, _ = c.First() {
			if err := c.Delete(); err != nil {
				return err
			}
			n++
		}
	}
	return nil
}

// Mark returns what a source noted about an input, and whether it did.
func (t *Tally) Mark(source, key string) (mark string, ok bool, err error) {
	err = t.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket([]byte(bucketMarks)).Get(markKey(source, key))
		mark, ok = string(v), v != nil
		return nil
	})
	return mark, ok, err
}

// Cursor returns where a source goes on, or nil.
func (t *Tally) Cursor(source string) (cursor []byte, err error) {
	err = t.db.View(func(tx *bolt.Tx) error {
		cursor = append(cursor, tx.Bucket([]byte(bucketCursors)).Get([]byte(source))...)
		return nil
	})
	return cursor, err
}

// Forget drops the marks of a source for which keep returns false, such as
// those of files that are gone.
func (t *Tally) Forget(source string, keep func(key string) bool) error {
	return t.db.Update(func(tx *bolt.Tx) error {
		prefix := markKey(source, "")
		b := tx.Bucket([]byte(bucketMarks))
		var gone [][]byte
		c := b.Cursor()
		for k, _ := c.Seek(prefix); k != nil && len(k) >= len(prefix) && string(k[:len(prefix)]) == string(prefix); k, _ = c.Next() {
			if !keep(string(k[len(prefix):])) {
				gone = append(gone, append([]byte(nil), k...))
			}
		}
		for _, k := range gone {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}
