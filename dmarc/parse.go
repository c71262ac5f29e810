package dmarc

import (
	"io"
	"slices"
)

// Parse reads the whole report in r with all its records. The report is nil
// when the error, a *Error, is not. A Decoder reads reports of any size in
// constant memory, and several of them without allocating.
func Parse(r io.Reader) (*Report, error) { return NewDecoder(r).Parse() }

// Parse reads the report to its end and holds the records that Next has not
// returned yet. Limits.Records and Limits.Bytes bound how much memory they take.
// The report is nil when the error, a *Error, is not.
func (d *Decoder) Parse() (*Report, error) {
	var c collector
	for rec, err := range d.Records() {
		if err != nil {
			return nil, err
		}
		c.add(rec)
	}
	report := d.Report()
	report.Records = c.all()
	return report, nil
}

// Clone returns a copy of r that shares no memory that a Decoder writes to.
func (r *Record) Clone() Record {
	c := *r
	c.Reasons = append([]OverrideReason(nil), r.Reasons...)
	c.AuthDKIM = append([]DKIMAuth(nil), r.AuthDKIM...)
	c.AuthSPF = append([]SPFAuth(nil), r.AuthSPF...)
	return c
}

// collector clones records into memory that many of them share.
type collector struct {
	chunks  [][]Record
	reasons slab[OverrideReason]
	dkim    slab[DKIMAuth]
	spf     slab[SPFAuth]
}

func (c *collector) add(r *Record) {
	n := *r
	n.Reasons, n.AuthDKIM, n.AuthSPF = c.reasons.clone(r.Reasons), c.dkim.clone(r.AuthDKIM), c.spf.clone(r.AuthSPF)
	last := len(c.chunks) - 1
	if last < 0 || len(c.chunks[last]) == cap(c.chunks[last]) {
		size := 8
		if last >= 0 {
			size = min(2*cap(c.chunks[last]), 4096)
		}
		c.chunks = append(c.chunks, make([]Record, 0, size))
		last++
	}
	c.chunks[last] = append(c.chunks[last], n)
}

// all returns the records as one slice, nil when there are none.
func (c *collector) all() []Record {
	if len(c.chunks) == 1 {
		return c.chunks[0]
	}
	return slices.Concat(c.chunks...)
}

// slab is memory for many short slices.
type slab[T any] struct {
	free []T
	size int
}

func (s *slab[T]) clone(v []T) []T {
	n := len(v)
	if n == 0 {
		return nil
	}
	if n > len(s.free) {
		s.size = min(max(2*s.size, 8), 1024)
		s.free = make([]T, max(s.size, n))
	}
	c := s.free[:n:n]
	s.free = s.free[n:]
	copy(c, v)
	return c
}
