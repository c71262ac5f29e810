package dmarc

import (
	"errors"
	"io"
	"slices"
)

// Parse reads the whole report in r with all its records. The report is nil
// when the error is not. Use a Decoder for reports of any size in constant memory.
func Parse(r io.Reader) (*Report, error) {
	d := NewDecoder(r)
	var records []Record
	for {
		var rec Record
		err := d.Next(&rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		records = append(records, rec)
	}
	report := *d.Report()
	report.Records = records
	return &report, nil
}

// Clone returns a copy of r that shares no memory that a Decoder writes to.
func (r *Record) Clone() Record {
	c := *r
	c.Reasons = slices.Clone(r.Reasons)
	c.AuthDKIM = slices.Clone(r.AuthDKIM)
	c.AuthSPF = slices.Clone(r.AuthSPF)
	return c
}
