package sqlite

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// oldSuffix ends the name that a state file of version 0.1.0 is kept under.
const oldSuffix = ".v0"

// upgrade makes a file of the current form of one of version 0.1.0. The path
// names a whole file at any time: the old one until the new one is complete.
func (d *database) upgrade() error {
	old := &oldState{}
	if err := old.open(d.lock); err != nil {
		return d.oldError(old, err)
	}
	file, err := hold(d.newPath(), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return d.openError(err)
	}
	err = d.fill(file, store.Meta{Created: old.meta.Created.UnixMilli(), Generation: old.meta.Generation}, old.copyTo)
	if err == nil {
		if err = os.Link(d.file.Path, d.file.Path+oldSuffix); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	if err == nil {
		err = d.install()
	}
	if err != nil {
		return errors.Join(d.oldError(old, err), file.Close())
	}
	before := d.lock
	d.lock = file
	return before.Close()
}

// oldError says why a file of version 0.1.0 cannot be brought into this form.
func (d *database) oldError(old *oldState, err error) error {
	var known *store.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrVersion):
		return store.OtherVersion(d.Name(), old.meta.Schema)
	}
	return d.damaged("%w", err)
}

// oldState reads a state file of version 0.1.0.
type oldState struct {
	*bolt
	meta struct {
		Schema     int       `json:"schema"`
		Created    time.Time `json:"created"`
		Generation string    `json:"generation"`
	}
	totals [2 + 6]int64 // identities, last day that expired, rows of oldTables
}

// oldTables are the buckets whose rows were counted.
var oldTables = [...]string{"sums", "days", "domains", "names", "sources", "keydays"}

func (o *oldState) open(file *os.File) (err error) {
	if o.bolt, err = openBolt(file); err != nil {
		return err
	}
	o.totals[1] = -1
	var sealed []byte
	found, err := o.bucket("meta", func(k, v []byte) error {
		switch string(k) {
		case "meta":
			return json.Unmarshal(v, &o.meta)
		case "totals":
			sealed = bytes.Clone(v)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !found:
		return errors.New("it belongs to another program")
	case o.meta.Schema < 1 || o.meta.Schema > 2:
		return store.ErrVersion
	case sealed == nil: // before the first commit
		return nil
	}
	v, err := unseal([]byte("totals"), sealed)
	if err != nil {
		return fmt.Errorf("totals: %w", err)
	}
	count := len(o.totals)
	if o.meta.Schema == 1 {
		count = 2 // Version 1 counted no rows and had no keydays.
	}
	return readVarints(v, o.totals[:count])
}

// copyTo copies everything into a new file, after it was checked.
func (o *oldState) copyTo(t *tx) error {
	f := store.NewFilling(t)
	if err := o.identities(f); err != nil {
		return err
	}
	if _, err := o.bucket("marks", func(k, v []byte) error { return copyMark(f, k, v) }); err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	rows := &tally.Rows{Expired: o.totals[1]}
	for i, read := range []func(k, v []byte) error{
		func(k, v []byte) error { return oldSum(rows, k, v) },
		func(k, v []byte) error { return oldDay(rows, k, v) },
		func(k, v []byte) error { return oldDomain(rows, k, v) },
		func(k, _ []byte) error { return oldName(rows, k) },
		func(k, v []byte) error { return oldSource(rows, k, v) },
	} {
		if err := o.table(i, read); err != nil {
			return err
		}
	}
	return f.Counts(rows)
}

// table reads the rows of a table and holds them to their checksums and number.
func (o *oldState) table(i int, read func(k, v []byte) error) error {
	count := int64(0)
	_, err := o.bucket(oldTables[i], func(k, sealed []byte) error {
		count++
		v, err := unseal(k, sealed)
		if err != nil {
			return err
		}
		return read(k, v)
	})
	if err == nil && o.meta.Schema > 1 && count != o.totals[2+i] {
		err = fmt.Errorf("%d rows of %d", count, o.totals[2+i])
	}
	if err != nil {
		return fmt.Errorf("%s: %w", oldTables[i], err)
	}
	return nil
}

// identities copies the identities and holds those of each day to their sum.
func (o *oldState) identities(f *store.Filling) error {
	type oldDay struct{ identities, sum int64 }
	want, got := map[tally.Day]oldDay{}, map[tally.Day]oldDay{}
	if o.meta.Schema > 1 {
		err := o.table(len(oldTables)-1, func(k, v []byte) error {
			var numbers [2]int64
			if len(k) != 4 {
				return errors.New("a day is cut")
			}
			err := readVarints(v, numbers[:])
			want[tally.Day(binary.BigEndian.Uint32(k))] = oldDay{numbers[0], numbers[1]}
			return err
		})
		if err != nil {
			return err
		}
	}
	total := int64(0)
	rows := make([]tally.IdentityRow, 0, 1000)
	_, err := o.bucket("keys", func(k, v []byte) error {
		if len(k) != tally.KeySize || len(v) == 0 || len(v)%8 != 0 {
			return errors.New("an identity is cut")
		}
		key := tally.Key(k)
		day := got[key.Day()]
		got[key.Day()] = oldDay{day.identities + 1, day.sum + int64(crcOf(k, v))}
		total++
		if rows = append(rows, tally.IdentityRow{Key: key, Digests: bytes.Clone(v)}); len(rows) < cap(rows) {
			return nil
		}
		err := f.Identities(rows)
		rows = rows[:0]
		return err
	})
	if err == nil {
		err = f.Identities(rows)
	}
	if err == nil && total != o.totals[0] {
		err = fmt.Errorf("%d of %d", total, o.totals[0])
	}
	for day, n := range got {
		if err == nil && o.meta.Schema > 1 && n != want[day] {
			err = fmt.Errorf("those of day %d are not what was counted", day)
		}
	}
	if err != nil {
		return fmt.Errorf("identities: %w", err)
	}
	return nil
}

func copyMark(f *store.Filling, k, sealed []byte) error {
	source, key, ok := strings.Cut(string(k), "\x00")
	v, err := unseal(k, sealed)
	if err != nil || !ok {
		return nil // A mark that cannot be read is none, as ever.
	}
	_, size := binary.Uvarint(v) // how often it was tried
	if size <= 0 || len(v) == size {
		return nil // It was only an attempt.
	}
	return f.Mark(source, key, string(v[size+1:]))
}

func oldSum(rows *tally.Rows, k, v []byte) error {
	var n [2]int64
	err := readVarints(v, n[:])
	rows.Sums = append(rows.Sums, tally.SumRow{Key: tally.SeriesKey(k), Value: n[0], Created: time.UnixMilli(n[1])})
	return err
}

func oldDay(rows *tally.Rows, k, v []byte) error {
	var n [1]int64
	if len(k) < 4 {
		return errors.New("a key is cut")
	}
	domain, class, _ := strings.Cut(string(k[4:]), "\x00")
	err := readVarints(v, n[:])
	rows.Days = append(rows.Days, tally.DayRow{
		Day: tally.Day(binary.BigEndian.Uint32(k)), Domain: domain, Class: tally.Class(class), Messages: n[0],
	})
	return err
}

func oldDomain(rows *tally.Rows, k, v []byte) error {
	var info struct {
		LastEnd time.Time     `json:"last_end"`
		Policy  *dmarc.Policy `json:"policy"`
	}
	err := json.Unmarshal(v, &info)
	rows.Domains = append(rows.Domains, tally.DomainRow{Domain: string(k), LastEnd: info.LastEnd, Policy: info.Policy})
	return err
}

func oldName(rows *tally.Rows, k []byte) error {
	pools := [...]string{"domain", "reporter", "source", "signer"}
	if len(k) == 0 || int(k[0]) >= len(pools) {
		return errors.New("a name of an unknown pool")
	}
	rows.Names = append(rows.Names, tally.NameRow{Pool: pools[k[0]], Name: string(k[1:])})
	return nil
}

func oldSource(rows *tally.Rows, k, v []byte) error {
	var n [1]int64
	err := readVarints(v, n[:])
	rows.Sources = append(rows.Sources, tally.SourceRow{Source: string(k), Last: time.UnixMilli(n[0])})
	return err
}

// unseal checks and removes the checksum at the end of a value.
func unseal(key, sealed []byte) ([]byte, error) {
	n := len(sealed) - 4
	if n < 0 || binary.BigEndian.Uint32(sealed[n:]) != crcOf(key, sealed[:n]) {
		return nil, errors.New("wrong checksum")
	}
	return sealed[:n:n], nil
}

func crcOf(key, value []byte) uint32 {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // made once, by crc32
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// readVarints decodes as many numbers as it is given.
func readVarints(b []byte, numbers []int64) error {
	for i := range numbers {
		v, size := binary.Varint(b)
		if size <= 0 {
			return errors.New("a number is cut")
		}
		numbers[i], b = v, b[size:]
	}
	return nil
}
