package tally

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The buckets of the file.
var (
	bucketMeta    = []byte("meta")
	bucketKeys    = []byte("keys")    // key → digests
	bucketKeyDays = []byte("keydays") // day → keyDay
	bucketSums    = []byte("sums")    // seriesKey → value, created
	bucketDays    = []byte("days")    // dayKey → messages
	bucketDomains = []byte("domains") // domain → domainInfo
	bucketNames   = []byte("names")   // pool, value → nothing
	bucketSources = []byte("sources") // source → last delivery
	bucketMarks   = []byte("marks")   // source, key → mark
	bucketCursors = []byte("cursors") // source → cursor

	buckets = [...][]byte{
		bucketMeta, bucketKeys, bucketKeyDays, bucketSums, bucketDays, bucketDomains, bucketNames, bucketSources, bucketMarks, bucketCursors,
	}

	// rowBuckets are those that live in memory. How many rows each has is kept
	// with the totals: a checksum cannot tell of a row that is missing.
	rowBuckets = [...][]byte{bucketSums, bucketDays, bucketDomains, bucketNames, bucketSources, bucketKeyDays}

	keyMeta   = []byte("meta")
	keyTotals = []byte("totals")
)

// rowsOfDays is the place of bucketDays among rowBuckets.
const rowsOfDays = 1

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
		s.totals.size = tx.Size()
		if err := t.readTotals(tx, s.totals.numbers()); err != nil {
			return err
		}
		readers := [len(rowBuckets)]func(s *state, k, v []byte) error{readSum, readDay, readDomain, readName, readSource, readKeyDay}
		for i, name := range rowBuckets {
			rows := int64(0)
			err := tx.Bucket(name).ForEach(func(k, v []byte) error {
				rows++
				v, err := unseal(k, v)
				if err != nil {
					return err
				}
				return readers[i](s, k, v)
			})
			if err == nil && rows != s.totals.rows[i] {
				err = fmt.Errorf("%d rows of %d", rows, s.totals.rows[i])
			}
			if err != nil {
				return t.damaged("%s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	keys := int64(0)
	for _, day := range s.keyDays {
		keys += day.keys
	}
	if keys != s.totals.keys {
		return nil, t.damaged("%d identities of %d", keys, s.totals.keys)
	}
	s.used = t.usage(s)
	return s, nil
}

// readTotals reads the totals; there are none before the first commit.
func (t *Tally) readTotals(tx *bolt.Tx, numbers []*int64) error {
	sealed := tx.Bucket(bucketMeta).Get(keyTotals)
	if sealed == nil {
		return nil
	}
	v, err := unseal(keyTotals, sealed)
	if err == nil {
		err = readVarints(v, numbers...)
	}
	if err != nil {
		return t.damaged("totals: %w", err)
	}
	return nil
}

// numbers are what is kept of the totals, in order.
func (t *totals) numbers() []*int64 {
	all := []*int64{&t.keys, &t.expired}
	for i := range t.rows {
		all = append(all, &t.rows[i])
	}
	return all
}

// seal returns the totals as they are kept.
func (t *totals) seal() []byte {
	var b []byte
	for _, n := range t.numbers() {
		b = binary.AppendVarint(b, *n)
	}
	return seal(keyTotals, b)
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

func readKeyDay(s *state, k, v []byte) error {
	if len(k) != daySize {
		return errors.New("a day is cut")
	}
	var keys, sum int64
	err := readVarints(v, &keys, &sum)
	s.keyDays[binary.BigEndian.Uint32(k)] = keyDay{keys, uint64(sum)}
	return err
}

// saveKeyDays writes what the identities of days come to.
func (d *delta) saveKeyDays(b *bolt.Bucket) error {
	for day, one := range d.keyDays.changed {
		k := dayBytes(day)
		if one.keys == 0 {
			if err := b.Delete(k); err != nil {
				return err
			}
			continue
		}
		if err := b.Put(k, seal(k, varints(one.keys, int64(one.sum)))); err != nil {
			return err
		}
	}
	return nil
}

// countRows notes how many rows there are after the transaction.
func (d *delta) countRows() {
	added := [len(rowBuckets)]int64{
		d.sums.added(), d.days.added(), d.domains.added(), d.names.added(), d.sources.added(), d.keyDays.added(),
	}
	for i, n := range added {
		d.totals.rows[i] += n
	}
	for _, one := range d.keyDays.changed {
		if one.keys == 0 {
			d.totals.rows[len(added)-1]--
		}
	}
}

// save writes the delta into the transaction.
func (d *delta) save(tx *bolt.Tx) error {
	d.countRows()
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
	if err := d.saveKeyDays(tx.Bucket(bucketKeyDays)); err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(keyTotals, d.totals.seal())
}

// maxExpired bounds how many keys one transaction deletes, so that none takes long.
const maxExpired = 500

// expire deletes identities that no report can ask for any more, and days that
// no window can.
func (t *Tally) expire(tx *bolt.Tx, d *delta) error {
	last := int64(-1)
	err := expireDays(tx.Bucket(bucketKeys), dayOf(d.now.Add(-t.config.Horizon)), func(k, v []byte) {
		last = int64(binary.BigEndian.Uint32(k))
		d.dropKey(k, v)
	})
	if err != nil {
		return err
	}
	d.totals.expired = max(d.totals.expired, last)
	return expireDays(tx.Bucket(bucketDays), oldestDay(d.now), func(_, _ []byte) { d.totals.rows[rowsOfDays]-- })
}

// expireDays deletes rows of days before the oldest that is kept, after it called gone.
func expireDays(b *bolt.Bucket, oldest uint32, gone func(k, v []byte)) error {
	c := b.Cursor()
	n := 0
	for k, v := c.First(); k != nil && n < maxExpired && binary.BigEndian.Uint32(k) < oldest; k, v = c.First() {
		gone(k, v)
		if err := c.Delete(); err != nil {
			return err
		}
		n++
	}
	return nil
}
