package dmarc

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Encode writes r as a report that is valid by RFC 9990.
//
// What RFC 9990 cannot express is refused with a Deviation, before anything is
// written: a missing element that it requires, pct, a reason or a result that
// it does not have, a control character. Recommendations are not enforced.
//
// Values are written from the typed fields. The text beside them, such as
// RawDisposition and Source, the namespace and the warnings are not written.
// Reading the result gives r again, if r is as a Decoder gives it: times in
// whole seconds, text without white space around it, domains in lower case.
func Encode(w io.Writer, r *Report) error {
	if len(r.Records) == 0 {
		return fmt.Errorf("encode report: %w", noRecords())
	}
	e := NewEncoder(w)
	if err := e.check(func(c *checker) {
		c.encodable(r)
		for i := range r.Records {
			c.record(&r.Records[i], i+1)
		}
	}); err != nil {
		return err
	}
	e.header(r)
	for i := range r.Records {
		e.record(&r.Records[i])
	}
	return e.Close()
}

func noRecords() (first Deviation) {
	c := newChecker(RFC9990, func(d Deviation) { first = d })
	c.recordCount(0)
	return first
}

// An Encoder writes a report record by record in constant memory: Header
// first, then Record for each record, then Close. After an error what was
// written is no report. An Encoder is not safe for concurrent use.
type Encoder struct {
	// Indent is the white space for each level of nesting; when it is empty
	// the report is one line.
	Indent string

	x       xmlWriter
	state   encoderState
	records int
}

type encoderState int

const (
	encoderNew encoderState = iota
	encoderOpen
	encoderClosed
)

// errOrder tells a programmer's mistake.
var errOrder = errors.New("encode report: Header, Record and Close are called out of order")

// NewEncoder returns an Encoder that writes to w. It buffers: Close writes the rest.
func NewEncoder(w io.Writer) *Encoder {
	return &Encoder{x: xmlWriter{w: w}}
}

// check returns the first demand that the rules in f find broken.
func (e *Encoder) check(f func(*checker)) error {
	var first *Deviation
	c := newChecker(RFC9990, func(d Deviation) {
		if first == nil && !d.Advisory {
			first = &d
		}
	})
	f(&c)
	if first != nil {
		return fmt.Errorf("encode report: %w", *first)
	}
	return nil
}

// encodable checks the head. The namespace is the Encoder's business.
func (c *checker) encodable(r *Report) {
	head := *r
	head.Namespace = namespace2
	c.head(&head)
	for _, t := range []time.Time{r.Metadata.Begin, r.Metadata.End} {
		if _, form := text.DateOf(t.Unix()); form != text.DateSeconds || t.Nanosecond() != 0 {
			c.add(RuleValue, "report_metadata/date_range", c.schema, "%s is no whole second since 1970", t)
		}
	}
}

// Header writes what stands before the records. Records and warnings of r are ignored.
func (e *Encoder) Header(r *Report) error {
	if e.state != encoderNew {
		return errOrder
	}
	if err := e.check(func(c *checker) { c.encodable(r) }); err != nil {
		return err
	}
	e.header(r)
	return e.x.err
}

func (e *Encoder) header(r *Report) {
	e.state = encoderOpen
	x := &e.x
	x.indent = e.Indent
	x.raw(`<?xml version="1.0" encoding="UTF-8"?>`)
	x.line()
	x.raw(`<feedback xmlns="` + namespace2 + `">`)
	x.depth++
	x.optional("version", r.Version)
	x.metadata(&r.Metadata)
	x.policy(&r.Policy)
}

// Record writes one record. It keeps nothing of rec.
func (e *Encoder) Record(rec *Record) error {
	if e.state != encoderOpen {
		return errOrder
	}
	if err := e.check(func(c *checker) { c.record(rec, e.records+1) }); err != nil {
		return err
	}
	e.record(rec)
	return e.x.err
}

func (e *Encoder) record(rec *Record) {
	e.records++
	e.x.record(rec)
}

// Flush writes what is buffered.
func (e *Encoder) Flush() error {
	e.x.flush()
	return e.x.err
}

// Close writes the end of the report. It does not close the underlying writer.
func (e *Encoder) Close() error {
	if e.state != encoderOpen {
		return errOrder
	}
	if e.records == 0 {
		return fmt.Errorf("encode report: %w", noRecords())
	}
	e.state = encoderClosed
	e.x.close("feedback")
	e.x.raw("\n")
	e.x.flush()
	return e.x.err
}
