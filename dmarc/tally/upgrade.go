package tally

import (
	"encoding/binary"
	"encoding/json"

	bolt "go.etcd.io/bbolt"
)

// upgrade brings a file of version 1 up to date.
func (t *Tally) upgrade(tx *bolt.Tx) error {
	if _, err := tx.CreateBucket(bucketKeyDays); err != nil {
		return err
	}
	s := newState()
	if err := t.readTotals(tx, []*int64{&s.totals.keys, &s.totals.expired}); err != nil {
		return err
	}
	d := newDelta(s, t.config.Now().UTC())
	count := func(n *int64) func(_, _ []byte) error {
		return func(_, _ []byte) error {
			*n++
			return nil
		}
	}
	for i, name := range rowBuckets {
		if err := tx.Bucket(name).ForEach(count(&d.totals.rows[i])); err != nil {
			return err
		}
	}
	keys := int64(0)
	err := tx.Bucket(bucketKeys).ForEach(func(k, v []byte) error {
		day := binary.BigEndian.Uint32(k)
		one, _ := d.keyDays.get(day)
		one.add(k, v)
		d.keyDays.set(day, one)
		keys++
		return nil
	})
	if err == nil && keys != s.totals.keys {
		err = t.damaged("%d identities of %d", keys, s.totals.keys)
	}
	if err == nil {
		err = d.save(tx)
	}
	if err != nil {
		return err
	}
	t.meta.Schema = schema
	text, err := json.Marshal(t.meta)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(keyMeta, text)
}
