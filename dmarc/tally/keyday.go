package tally

import (
	"bytes"
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// keyDay is what the identities of one day must come to. An identity that is
// damaged would not be found, and its report would count again: nothing about
// a value that is missing can be checked. So all of a day are, the first time
// that a report asks for one, which takes about a microsecond for each.
type keyDay struct {
	keys int64
	sum  uint64 // of the checksums, in any order
}

func (k *keyDay) add(key, value []byte) {
	k.keys++
	k.sum += uint64(checksum(key, value))
}

func (k *keyDay) remove(key, value []byte) {
	k.keys--
	k.sum -= uint64(checksum(key, value))
}

func dayBytes(day uint32) []byte { return binary.BigEndian.AppendUint32(nil, day) }

// putKey writes an identity.
func (d *delta) putKey(keys *bolt.Bucket, k key, value []byte) error {
	day := binary.BigEndian.Uint32(k[:daySize])
	one, _ := d.keyDays.get(day)
	if known := keys.Get(k[:]); known != nil {
		one.remove(k[:], known)
	} else {
		d.totals.keys++
	}
	one.add(k[:], value)
	d.keyDays.set(day, one)
	return keys.Put(k[:], value)
}

// dropKey notes that an identity is being deleted.
func (d *delta) dropKey(k, value []byte) {
	day := binary.BigEndian.Uint32(k)
	one, _ := d.keyDays.get(day)
	one.remove(k, value)
	if one.keys < 0 {
		one = keyDay{} // of a day that was damaged
	}
	d.keyDays.set(day, one)
	d.totals.keys--
}

// verify checks the identities of a day, once.
func (t *Tally) verify(keys *bolt.Bucket, d *delta, day uint32) error {
	if t.verified[day] {
		return nil
	}
	var got keyDay
	prefix := dayBytes(day)
	c := keys.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		// What the cursor comes by must be where a search looks for it.
		if found := keys.Get(k); !bytes.Equal(found, v) || v == nil {
			return t.damaged("identities of day %d: one cannot be found", day)
		}
		got.add(k, v)
	}
	if want, _ := d.keyDays.get(day); got != want {
		return t.damaged("identities of day %d: %d with a checksum of %x, not %d with %x", day, got.keys, got.sum, want.keys, want.sum)
	}
	t.verified[day] = true
	return nil
}
