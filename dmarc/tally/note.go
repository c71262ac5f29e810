package tally

import (
	"bytes"
	"context"
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// mark is what is remembered of one input of a source.
type mark struct {
	attempts uint64 // since the last commit
	noted    bool   // value was committed
	value    string
}

func markKey(source, key string) []byte { return []byte(source + "\x00" + key) }

func putMark(tx *bolt.Tx, k []byte, m mark) error {
	v := binary.AppendUvarint(nil, m.attempts)
	if m.noted {
		v = append(append(v, 1), m.value...)
	}
	return tx.Bucket(bucketMarks).Put(k, seal(k, v))
}

// getMark returns a mark. One that cannot be read is none: its input is read
// again and recognised by the identity of its reports.
func getMark(tx *bolt.Tx, k []byte) (m mark) {
	v, err := unseal(k, tx.Bucket(bucketMarks).Get(k))
	if err != nil {
		return mark{}
	}
	n, size := binary.Uvarint(v)
	if size <= 0 {
		return mark{}
	}
	m.attempts = n
	if v = v[size:]; len(v) > 0 {
		m.noted, m.value = true, string(v[1:])
	}
	return m
}

// note keeps what the source wants to remember about a delivery.
func note(tx *bolt.Tx, d *Delivery) error {
	if d.Key != "" {
		if err := putMark(tx, markKey(d.Source, d.Key), mark{noted: true, value: d.Mark}); err != nil {
			return err
		}
	}
	if d.Cursor == nil {
		return nil
	}
	k := []byte(d.Source)
	return tx.Bucket(bucketCursors).Put(k, seal(k, bytes.Clone(d.Cursor)))
}

// Mark returns what a source noted about an input, and whether it did.
func (t *Tally) Mark(source, key string) (value string, ok bool, err error) {
	err = t.view(func(tx *bolt.Tx) error {
		m := getMark(tx, markKey(source, key))
		value, ok = m.value, m.noted
		return nil
	})
	return value, ok, err
}

// Attempt notes durably that an input is about to be worked on, and returns how
// often that was noted since it was last committed, this time included. With it
// a source gives up an input that brings the process down.
func (t *Tally) Attempt(ctx context.Context, source, key string) (attempts int, err error) {
	err = t.do(ctx.Done(), func(tx *bolt.Tx, _ *delta) error {
		k := markKey(source, key)
		m := getMark(tx, k)
		m.attempts++
		attempts = int(m.attempts)
		return putMark(tx, k, m)
	})
	if err != nil {
		return 0, cause(ctx, err)
	}
	return attempts, nil
}

// Cursor returns where a source goes on, or nil.
func (t *Tally) Cursor(source string) (cursor []byte, err error) {
	err = t.view(func(tx *bolt.Tx) error {
		k := []byte(source)
		sealed := tx.Bucket(bucketCursors).Get(k)
		if sealed == nil {
			return nil
		}
		v, err := unseal(k, sealed)
		if err != nil {
			return t.damaged("cursor of %s: %w", source, err)
		}
		cursor = bytes.Clone(v)
		return nil
	})
	return cursor, err
}

// Forget drops the marks of a source for which keep returns false, such as
// those of files that are gone. Commits go on in between; keep may take its time.
func (t *Tally) Forget(source string, keep func(key string) bool) error {
	prefix := markKey(source, "")
	for from := prefix; from != nil; {
		keys, next, err := t.markKeys(prefix, from)
		if err != nil {
			return err
		}
		var gone [][]byte
		for _, k := range keys {
			if !keep(string(k[len(prefix):])) {
				gone = append(gone, k)
			}
		}
		if err := t.deleteMarks(gone); err != nil {
			return err
		}
		from = next
	}
	return nil
}

// markKeys returns keys with a prefix, and the one after them, if any.
func (t *Tally) markKeys(prefix, from []byte) (keys [][]byte, next []byte, err error) {
	const most = 1000
	err = t.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketMarks).Cursor()
		for k, _ := c.Seek(from); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			if len(keys) == most {
				next = bytes.Clone(k)
				return nil
			}
			keys = append(keys, bytes.Clone(k))
		}
		return nil
	})
	return keys, next, err
}

func (t *Tally) deleteMarks(keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	return t.do(nil, func(tx *bolt.Tx, _ *delta) error {
		for _, k := range keys {
			if err := tx.Bucket(bucketMarks).Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// view reads the file.
func (t *Tally) view(f func(*bolt.Tx) error) error {
	return t.guarded(func() error {
		err := t.db.View(f)
		if err != nil {
			return t.openError(err)
		}
		return nil
	})
}
