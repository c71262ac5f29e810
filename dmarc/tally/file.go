package tally

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The buckets of the file.
const (
	bucketMeta    = "meta"
	bucketKeys    = "keys"    // identity → digest
	bucketTwins   = "twins"   // content in its period → 1
	bucketSums    = "sums"    // series → value, created
	bucketDays    = "days"    // day, domain, class → messages
	bucketDomains = "domains" // domain → domainInfo
	bucketNames   = "names"   // admitted reporter → 1
	bucketMarks   = "marks"   // source, key → mark
	bucketCursors = "cursors" // source → cursor
)

// schema is the version of the file's form.
const schema = 1

// meta is what the file says about itself.
type meta struct {
	Schema     int       `json:"schema"`
	Created    time.Time `json:"created"`
	Generation string    `json:"generation"`
}

// StateError says that the state file cannot be used. Its text names the file
// and what to do about it.
type StateError struct {
	Path string
	// Doing is what was tried: open, read or write.
	Doing string
	// Advice is what helps; empty when trying again may.
	Advice string
	Err    error
}

// Error returns the file, the cause and the advice.
func (e *StateError) Error() string {
	s := fmt.Sprintf("%s state file %s: %v", e.Doing, e.Path, e.Err)
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap returns the cause.
func (e *StateError) Unwrap() error { return e.Err }

const adviceDamaged = "restore it from a backup, or move it away to count anew (reports that are read again are then counted again)"

// open opens the file, reads all of it once and loads the state. bbolt panics
// or faults on damaged files, which is an error here like any other.
func (t *Tally) open() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	fail := func(doing, advice string, cause error) error {
		return &StateError{Path: t.path, Doing: doing, Advice: advice, Err: cause}
	}
	defer func() {
		if v := recover(); v != nil {
			err = fail("read", adviceDamaged, fmt.Errorf("damaged: %v", v))
		}
		if err != nil && t.db != nil {
			_ = t.db.Close()
		}
	}()
	t.db, err = bolt.Open(t.path, 0o600, &bolt.Options{Timeout: time.Second})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fail("open", "stop the other process, or give each its own file", errors.New("another process uses it"))
	case errors.Is(err, os.ErrPermission), errors.Is(err, os.ErrNotExist):
		return fail("open", "", err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fail("open", adviceDamaged, err)
	case err != nil:
		return fail("open", "", err)
	}
	if err := t.complete(); err != nil {
		return fail("read", adviceDamaged, err)
	}
	if err := t.create(); err != nil {
		return err
	}
	t.state = newState()
	if err := t.db.View(t.load); err != nil {
		return fail("read", adviceDamaged, err)
	}
	return nil
}

// complete reports a file that is shorter than it says.
func (t *Tally) complete() error {
	info, err := os.Stat(t.path)
	if err != nil {
		return err
	}
	return t.db.View(func(tx *bolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("damaged: %d bytes of %d", info.Size(), tx.Size())
		}
		return nil
	})
}

// create makes the buckets of a new file and checks the version of an old one.
func (t *Tally) create() error {
	return t.db.Update(func(tx *bolt.Tx) error {
		if b := tx.Bucket([]byte(bucketMeta)); b != nil {
			return t.checkMeta(b.Get([]byte("meta")))
		}
		if name, _ := tx.Cursor().First(); name != nil {
			return &StateError{Path: t.path, Doing: "open", Advice: "name another file", Err: errors.New("it belongs to another program")}
		}
		for _, name := range []string{
			bucketMeta, bucketKeys, bucketTwins, bucketSums, bucketDays, bucketDomains, bucketNames, bucketMarks, bucketCursors,
		} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		t.meta = meta{Schema: schema, Created: t.config.Now().UTC().Truncate(time.Second), Generation: newGeneration()}
		text, err := json.Marshal(t.meta)
		if err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketMeta)).Put([]byte("meta"), text)
	})
}

func (t *Tally) checkMeta(text []byte) error {
	if err := json.Unmarshal(text, &t.meta); err != nil {
		return &StateError{Path: t.path, Doing: "read", Advice: adviceDamaged, Err: fmt.Errorf("damaged: %w", err)}
	}
	if t.meta.Schema != schema {
		return &StateError{
			Path: t.path, Doing: "read", Advice: "use the version that wrote it, or name another file",
			Err: fmt.Errorf("it has schema %d, this version writes %d", t.meta.Schema, schema),
		}
	}
	return nil
}

func newGeneration() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// load reads everything: what lives in memory is kept, the rest is looked at.
func (t *Tally) load(tx *bolt.Tx) error {
	each := func(bucket string, f func(k, v []byte) error) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return fmt.Errorf("damaged: no bucket %s", bucket)
		}
		return b.ForEach(f)
	}
	sized := func(key, value int) func(k, v []byte) error {
		return func(k, v []byte) error {
			if len(k) != key || len(v) != value {
				return fmt.Errorf("damaged: a key of %d and a value of %d bytes", len(k), len(v))
			}
			return nil
		}
	}
	return errors.Join(
		each(bucketKeys, sized(16, 8)),
		each(bucketTwins, sized(16, 1)),
		each(bucketMarks, func(_, _ []byte) error { return nil }),
		each(bucketSums, func(k, v []byte) error {
			if len(v) != 16 {
				return fmt.Errorf("damaged: a sum of %d bytes", len(v))
			}
			t.state.sums[seriesKey(k)] = sum{int64(binary.BigEndian.Uint64(v)), int64(binary.BigEndian.Uint64(v[8:]))}
			return nil
		}),
		each(bucketDays, func(k, v []byte) error {
			day, ok := parseDay(k)
			if !ok || len(v) != 8 {
				return errors.New("damaged: a day")
			}
			t.state.days[day] = int64(binary.BigEndian.Uint64(v))
			return nil
		}),
		each(bucketDomains, func(k, v []byte) error {
			var info domainInfo
			if err := json.Unmarshal(v, &info); err != nil {
				return fmt.Errorf("damaged: a domain: %w", err)
			}
			t.state.domains[string(k)] = info
			return nil
		}),
		each(bucketNames, func(k, _ []byte) error {
			t.state.reporters[string(k)] = true
			return nil
		}),
	)
}

// save writes the delta into the transaction.
func (d *delta) save(tx *bolt.Tx) error {
	put := func(bucket string, k, v []byte) error { return tx.Bucket([]byte(bucket)).Put(k, v) }
	for k, s := range d.sums {
		v := binary.BigEndian.AppendUint64(nil, uint64(s.value))
		if err := put(bucketSums, []byte(k), binary.BigEndian.AppendUint64(v, uint64(s.created))); err != nil {
			return err
		}
	}
	for k, n := range d.days {
		if err := put(bucketDays, k.bytes(), binary.BigEndian.AppendUint64(nil, uint64(d.base.days[k]+n))); err != nil {
			return err
		}
	}
	for name, info := range d.domains {
		text, err := json.Marshal(info)
		if err != nil {
			return err
		}
		if err := put(bucketDomains, []byte(name), text); err != nil {
			return err
		}
	}
	for name := range d.reporters {
		if err := put(bucketNames, []byte(name), []byte{1}); err != nil {
			return err
		}
	}
	return nil
}

func (k dayKey) bytes() []byte {
	b := binary.BigEndian.AppendUint32(nil, k.day)
	b = append(b, k.domain...)
	b = append(b, 0)
	return append(b, k.class...)
}

func parseDay(b []byte) (dayKey, bool) {
	if len(b) < 5 {
		return dayKey{}, false
	}
	for i, c := range b[4:] {
		if c == 0 {
			return dayKey{binary.BigEndian.Uint32(b), string(b[4 : 4+i]), Class(b[5+i:])}, true
		}
	}
	return dayKey{}, false
}
