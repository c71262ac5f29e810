package compose

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Rows adds up records: those that are equal but for Count are one. Its zero
// value is empty. Close removes what it has written to files. It is not safe for
// concurrent use.
type Rows struct {
	// Memory is about how many bytes may be kept before they are written to a
	// file; 0 means 8 MiB.
	Memory int
	// Dir is where files are made; "" is the directory for temporary files.
	Dir string

	sums map[string]int64 // counts by encoded record
	used int
	runs []*os.File // sums that were written, in order
}

// overhead is about what a row takes besides its encoded record.
const overhead = 64

// Add adds Count messages. It keeps nothing of rec. Only the typed fields count:
// the texts beside them, such as RawDisposition, are not part of a report. An
// error is one of writing a file; the record is not added then.
func (r *Rows) Add(rec *dmarc.Record) error {
	if rec.Count < 1 {
		return fmt.Errorf("add a record: the count %d is not positive", rec.Count)
	}
	var space [512]byte
	key := appendRecord(space[:0], rec)
	if count, ok := r.sums[string(key)]; ok {
		r.sums[string(key)] = add(count, rec.Count)
		return nil
	}
	if size := len(key) + overhead; r.used+size > cmp.Or(r.Memory, 8<<20) && len(r.sums) > 0 {
		if err := r.spill(); err != nil {
			return fmt.Errorf("add a record: %w", err)
		}
	}
	if r.sums == nil {
		r.sums = map[string]int64{}
	}
	r.sums[string(key)] = rec.Count
	r.used += len(key) + overhead
	return nil
}

// add adds counts; a sum that is too large stays the largest there is.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// spill writes the sums to a file, in order.
func (r *Rows) spill() (err error) {
	file, err := os.CreateTemp(r.Dir, "dmarc-rows-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(file))
		}
	}()
	w := bufio.NewWriterSize(file, 64<<10)
	var head []byte
	for _, s := range r.sorted() {
		head = binary.AppendUvarint(head[:0], uint64(s.count))
		head = binary.AppendUvarint(head, uint64(len(s.key)))
		_, _ = w.Write(head) // Flush returns the first error.
		_, _ = w.WriteString(s.key)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	r.runs = append(r.runs, file)
	clear(r.sums)
	r.used = 0
	return nil
}

// sum is a row: its encoded record, how often it was added, and the first bytes of
// the record as a number, by which most rows are in order without reading the rest.
type sum struct {
	prefix uint64
	key    string
	count  int64
}

// sorted returns the sums in memory in the order of their encoded records.
func (r *Rows) sorted() []sum {
	sums := make([]sum, 0, len(r.sums))
	for key, count := range r.sums {
		var prefix [8]byte
		copy(prefix[:], key)
		sums = append(sums, sum{binary.BigEndian.Uint64(prefix[:]), key, count})
	}
	slices.SortFunc(sums, func(a, b sum) int {
		if order := cmp.Compare(a.prefix, b.prefix); order != 0 {
			return order
		}
		return strings.Compare(a.key, b.key)
	})
	return sums
}

// Each visits all rows, ordered by address, and can be called again. The record
// is valid until visit returns. An error of visit ends it.
func (r *Rows) Each(visit func(rec *dmarc.Record) error) error {
	runs := make([]run, 0, len(r.runs)+1)
	for _, file := range r.runs {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
		runs = append(runs, run{file: bufio.NewReaderSize(file, 32<<10)})
	}
	runs = append(runs, run{sums: r.sorted()})
	for i := range runs {
		if err := runs[i].next(); err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
	}
	var rec dmarc.Record
	for {
		first := -1
		for i := range runs {
			if !runs[i].done && (first < 0 || runs[i].key < runs[first].key) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		key, count := runs[first].key, int64(0)
		for i := range runs {
			if !runs[i].done && runs[i].key == key {
				count = add(count, runs[i].count)
				if err := runs[i].next(); err != nil {
					return fmt.Errorf("read rows: %w", err)
				}
			}
		}
		if err := readRecord(key, &rec); err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
		rec.Count = count
		if err := visit(&rec); err != nil {
			return err
		}
	}
}

// Close removes files and rows.
func (r *Rows) Close() error {
	var errs []error
	for _, file := range r.runs {
		errs = append(errs, remove(file))
	}
	r.sums, r.runs, r.used = nil, nil, 0
	return errors.Join(errs...)
}

func remove(file *os.File) error { return errors.Join(file.Close(), os.Remove(file.Name())) }

// run is an ordered list of sums: those of a file, or those in memory.
type run struct {
	file *bufio.Reader
	sums []sum

	key   string
	count int64
	done  bool
}

// next goes to the next sum.
func (r *run) next() error {
	if r.file == nil {
		if r.done = len(r.sums) == 0; !r.done {
			r.key, r.count, r.sums = r.sums[0].key, r.sums[0].count, r.sums[1:]
		}
		return nil
	}
	count, err := binary.ReadUvarint(r.file)
	if errors.Is(err, io.EOF) {
		r.done = true
		return nil
	}
	if err != nil {
		return err
	}
	size, err := binary.ReadUvarint(r.file)
	if err != nil {
		return err
	}
	key := make([]byte, size)
	if _, err := io.ReadFull(r.file, key); err != nil {
		return err
	}
	r.key, r.count = string(key), int64(count)
	return nil
}
