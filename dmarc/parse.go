package dmarc

import (
	"errors"
	"io"
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
	c.Reasons = append([]OverrideReason(nil), r.Reasons...)
	c.AuthDKIM = append([]DKIMAuth(nil), r.AuthDKIM...)
	c.AuthSPF = append([]SPFAuth(nil), r.AuthSPF...)
	return c
}
