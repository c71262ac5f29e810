package dmarc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"strings"
)

// Decoder reads one aggregate report from a stream, record by record.
//
// The records come before it is known that the report is whole: add them to
// something that can be thrown away, and keep it only when Next returns
// io.EOF. A Decoder is not safe for concurrent use; use one per goroutine and
// Reset it for the next report.
type Decoder struct {
	// Limits bounds the report. It may be changed before the first call of
	// Next and is kept by Reset.
	Limits Limits

	r    io.Reader
	x    *xml.Decoder
	doc  *document
	rec  *Record
	own  Record
	err  error
	seen uint64
	drop bool
	pos  int
	open node
}

type document struct {
	report Report
	pct    int
	codes  map[Code]bool
}

// NewDecoder returns a Decoder that reads the report in r: the XML itself,
// without containers such as gzip, which are the business of package unpack.
func NewDecoder(r io.Reader) *Decoder {
	d := new(Decoder)
	d.Reset(r)
	return d
}

// Reset makes d read another report from r. It keeps the buffers of d and its
// Limits, but neither the Report nor the strings it has returned.
func (d *Decoder) Reset(r io.Reader) {
	*d = Decoder{Limits: d.Limits, r: r, x: xml.NewDecoder(r), doc: &document{codes: map[Code]bool{}}}
}

// Report returns what is known of the report: metadata, policy and warnings
// found so far. It is complete once Next has returned io.EOF.
func (d *Decoder) Report() *Report { return &d.doc.report }

// Next reads the next record into rec, whose slices it reuses. It returns
// io.EOF after the last record of a report that is whole and dated; any other
// error is a *Error, final, and means that the report must not be counted. The content of rec is
// undefined after an error.
func (d *Decoder) Next(rec *Record) error {
	if d.err != nil {
		return d.err
	}
	d.rec = rec
	d.err = d.step()
	if d.err != nil && !errors.Is(d.err, io.EOF) {
		return d.err
	}
	return d.err
}

// Records returns an iterator over the records of the report. It yields the
// same Record again and again, with its fields overwritten; an error that is not the regular
// end is yielded last, with a nil Record.
func (d *Decoder) Records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for {
			err := d.Next(&d.own)
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, err)
				return
			}
			if !yield(&d.own, nil) {
				return
			}
		}
	}
}

func (d *Decoder) step() error {
	done := false
	for {
		tok, err := d.x.Token()
		if errors.Is(err, io.EOF) && done {
			return d.end()
		}
		if err != nil {
			if !done && d.doc.report.Version == "" && d.seen == 0 && d.open == nodeNone {
				return d.fail(ReasonNotAReport, 0, err.Error())
			}
			return d.fail(ReasonSyntax, 0, err.Error())
		}
		switch t := tok.(type) {
		case xml.StartElement:
			l, n := child(d.open, []byte(t.Name.Local))
			switch {
			case l != leafNone:
				var s struct {
					Text string `xml:",chardata"`
				}
				if err := d.x.DecodeElement(&s, &t); err != nil {
					return d.fail(ReasonSyntax, 0, err.Error())
				}
				d.set(l, []byte(strings.TrimSpace(s.Text)), 0)
			case n == nodeRecord:
				d.openRecord()
				d.open = n
			case n != nodeNone:
				d.openEntry(n, 0)
				d.open = n
				if n == nodeFeedback {
					d.doc.report.Namespace = t.Name.Space
				}
			case d.open == nodeNone:
				return d.fail(ReasonNotAReport, 0, "the root element is not feedback")
			default:
				if err := d.x.Skip(); err != nil {
					return d.fail(ReasonSyntax, 0, err.Error())
				}
			}
		case xml.EndElement:
			was := d.open
			d.open = nodes[was].parent
			if was == nodeRecord && d.closeRecord(0) {
				return nil
			}
			if was == nodeFeedback {
				return d.end()
			}
		}
	}
}

func (d *Decoder) end() error {
	if err := d.finish(); err != nil {
		return err
	}
	return io.EOF
}

func (d *Decoder) fail(reason Reason, _ int, text string) error {
	return &Error{Reason: reason, Offset: -1, Err: errors.New(text)}
}

func (d *Decoder) warn(code Code, pos int, value string) {
	r := &d.doc.report
	if len(r.Warnings) >= MaxWarnings && d.doc.codes[code] {
		r.WarningsDropped++
		return
	}
	d.doc.codes[code] = true
	r.Warnings = append(r.Warnings, Warning{Code: code, Offset: int64(pos), Value: strings.ToValidUTF8(value[:min(len(value), 64)], "")})
}

func (d *Decoder) note(code Code, pos int, b []byte) {
	if code != "" {
		d.warn(code, pos, string(b))
	}
}

func (d *Decoder) text(b []byte) string { return string(b) }

func (d *Decoder) domain(b []byte, pos int) string {
	s, code := normalizeDomain(bytes.TrimSpace(b))
	d.note(code, pos, b)
	return s
}

func (d *Decoder) madeReportID() string { return "unknown" }
