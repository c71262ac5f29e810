package tally

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The buckets of the file.
var (
	bucketMeta    = []byte("meta")
	bucketKeys    = []byte("keys")    // key → digests
	bucketSums    = []byte("sums")    // seriesKey → value, created
	bucketDays    = []byte("days")    // dayKey → messages
	bucketDomains = []byte("domains") // domain → domainInfo
	bucketNames   = []byte("names")   // pool, value → nothing
	bucketSources = []byte("sources") // source → last delivery
	bucketMarks   = []byte("marks")   // source, key → mark
	bucketCursors = []byte("cursors") // source → cursor

	buckets = [...][]byte{
		bucketMeta, bucketKeys, bucketSums, bucketDays, bucketDomains, bucketNames, bucketSources, bucketMarks, bucketCursors,
	}

	keyMeta   = []byte("meta")
	keyTotals = []byte("totals")
)

// seal adds a checksum of key and value: bbolt has none for its data pages.
func seal(key, value []byte) []byte {
	return binary.BigEndian.AppendUint32(value, checksum(key, value))
}

var errChecksum = errors.New("wrong checksum")

// unseal checks and removes the checksum.
func unseal(key, sealed []byte) ([]byte, error) {
	n := len(sealed) - 4
	if n < 0 || binary.BigEndian.Uint32(sealed[n:]) != checksum(key, sealed[:n]) {
		return nil, errChecksum
	}
	return sealed[:n:n], nil
}

func checksum(key, value []byte) uint32 {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // made once, by crc32
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// varints encodes numbers; readVarints decodes as many as it is given.
func varints(numbers ...int64) []byte {
	var b []byte
	for _, n := range numbers {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func readVarints(b []byte, numbers ...*int64) error {
	for _, n := range numbers {
		v, size := binary.Varint(b)
		if size <= 0 {
			return errors.New("a number is cut")
		}
		*n, b = v, b[size:]
	}
	return nil
}

// load reads everything that lives in memory.
func (t *Tally) load() (*state, error) {
	s := newState()
	err := t.db.View(func(tx *bolt.Tx) error {
		for _, part := range []struct {
			bucket []byte
			read   func(s *state, k, v []byte) error
		}{
			{bucketSums, readSum},
			{bucketDays, readDay},
			{bucketDomains, readDomain},
			{bucketNames, readName},
			{bucketSources, readSource},
		} {
			err := tx.Bucket(part.bucket).ForEach(func(k, v []byte) error {
				v, err := unseal(k, v)
				if err != nil {
					return err
				}
				return part.read(s, k, v)
			})
			if err != nil {
				return t.damaged("%s: %w", part.bucket, err)
			}
		}
		s.totals.size = tx.Size()
		sealed := tx.Bucket(bucketMeta).Get(keyTotals)
		if sealed == nil {
			return nil // nothing was ever committed
		}
		v, err := unseal(keyTotals, sealed)
		if err == nil {
			err = readVarints(v, &s.totals.keys, &s.totals.expired)
		}
		if err != nil {
			return t.damaged("totals: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.used = t.usage(s)
	return s, nil
}

// usage returns how much of the budget a state uses.
func (t *Tally) usage(s *state) (used [pools]int) {
	for k := range s.sums {
		pool, n := t.cost(k.split())
		used[pool] += n
	}
	for n := range s.names {
		if n.pool == poolDomain {
			used[poolDomain] += domainCost * t.dynamic(n.value)
		}
	}
	return used
}

func readSum(s *state, k, v []byte) error {
	var one sum
	err := readVarints(v, &one.value, &one.created)
	s.sums[seriesKey(k)] = one
	return err
}

func readDay(s *state, k, v []byte) error {
	day, ok := parseDay(k)
	if !ok {
		return errors.New("a key is cut")
	}
	var n int64
	err := readVarints(v, &n)
	s.days[day] = n
	return err
}

func readDomain(s *state, k, v []byte) error {
	var info domainInfo
	err := json.Unmarshal(v, &info)
	s.domains[string(k)] = info
	return err
}

func readName(s *state, k, _ []byte) error {
	if len(k) == 0 || k[0] >= byte(pools) {
		return errors.New("a name of an unknown pool")
	}
	s.names[name{pool(k[0]), string(k[1:])}] = true
	return nil
}

func readSource(s *state, k, v []byte) error {
	var ms int64
	err := readVarints(v, &ms)
	s.sources[string(k)] = time.UnixMilli(ms).UTC()
	return err
}

// save writes the delta into the transaction.
func (d *delta) save(tx *bolt.Tx) error {
	put := func(bucket, k, v []byte) error { return tx.Bucket(bucket).Put(k, seal(k, v)) }
	for k, s := range d.sums.changed {
		if err := put(bucketSums, []byte(k), varints(s.value, s.created)); err != nil {
			return err
		}
	}
	for k, n := range d.days.changed {
		if err := put(bucketDays, k.bytes(), varints(n)); err != nil {
			return err
		}
	}
	for n := range d.names.changed {
		if err := put(bucketNames, append([]byte{byte(n.pool)}, n.value...), nil); err != nil {
			return err
		}
	}
	for domain, info := range d.domains.changed {
		text, err := json.Marshal(info)
		if err != nil {
			return err
		}
		if err := put(bucketDomains, []byte(domain), text); err != nil {
			return err
		}
	}
	for source, last := range d.sources.changed {
		if err := put(bucketSources, []byte(source), varints(last.UnixMilli())); err != nil {
			return err
		}
	}
	return put(bucketMeta, keyTotals, varints(d.totals.keys, d.totals.expired))
}

// maxExpired bounds how many keys one transaction deletes, so that none takes long.
const maxExpired = 500

// expire deletes identities that no report can ask for any more, and days that
// no window can.
func (t *Tally) expire(tx *bolt.Tx, d *delta) error {
	n, last, err := expireDays(tx.Bucket(bucketKeys), dayOf(d.now.Add(-t.config.Horizon)))
	if err != nil {
		return err
	}
	d.totals.keys -= int64(n)
	d.totals.expired = max(d.totals.expired, last)
	_, _, err = expireDays(tx.Bucket(bucketDays), oldestDay(d.now))
	return err
}

// expireDays deletes keys of days before the oldest that is kept. It returns
// how many, and the day of the last, or -1.
func expireDays(b *bolt.Bucket, oldest uint32) (n int, last int64, err error) {
	last = -1
	c := b.Cursor()
	for k, _ := c.First(); k != nil && n < maxExpired && binary.BigEndian.Uint32(k) < oldest; k, _ = c.First() {
		last = int64(binary.BigEndian.Uint32(k))
		if err := c.Delete(); err != nil {
			return n, last, err
		}
		n++
	}
	return n, last, nil
}
