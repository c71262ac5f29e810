package dmarc

import (
	"errors"
	"hash"
	"io"
	"iter"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Decoder reads one aggregate report from a stream, record by record, in
// constant memory.
//
// The records come before it is known that the report is whole: add them to
// something that can be thrown away, and keep it only when Next has returned
// io.EOF. A Decoder is not safe for concurrent use: use one per goroutine, and
// Reset it for the next report, which saves its buffers and tables.
type Decoder struct {
	// Limits bounds the report. It may be changed before the first call of
	// Next and is kept by Reset.
	Limits Limits
	limits Limits // with defaults; set by the first call of Next

	window
	progress
	strings interner
	last    [leafLimit]string // the last value of each leaf, when it was clean
	memo    memo

	doc *document
	rec *Record // the record that Next was given
	own Record  // the record that Records yields

	scratch   []byte                  // a value with references or foreign characters
	folded    []byte                  // a value in lower case
	key       [internMax + slack]byte // a value that is looked up
	namespace []attribute             // declarations of the last tag
	names     [maxDepth]uint32        // hashes of the names of skipped elements
}

// progress is how far a Decoder is with a document.
type progress struct {
	mark     mark
	err      error // what Next returns from now on
	started  bool  // the first window was filled
	root     rootState
	open     node
	skip     int  // open elements inside of an unknown one, itself included
	comment  bool // inside of a comment that is larger than the window
	trailing bool // behind the report, and it was said

	charset  text.Charset
	unicode  bool // the charset is known from the first bytes
	declared bool // the XML declaration was seen
	entities bool // the document type declares entities
	schema   bool // inside of a schema element
	prefixes []prefix
	outside  int // prefixes that are declared outside of the record

	records int
	digest  hash.Hash // of the records of a report that has no report_id so far
	seen    uint64    // leaves that have a value, by 1<<leaf
	drop    bool      // the open list entry is beyond maxEntries
	cut     bool      // scratch is at Limits.TextBytes and was to be longer

	codes    uint64 // warned of, by codeBit
	lastCode Code   // of codeBit
	lastBit  uint64
}

// rootState tells whether the root element was found.
type rootState uint8

const (
	rootNone    rootState = iota
	rootOpen              // inside of it
	rootImplied           // inside of a report that has none
	rootClosed            // behind it
)

// document is what a Decoder hands out and never reuses.
type document struct {
	report Report
	pct    int
}

// NewDecoder returns a Decoder that reads the report in r: the XML itself,
// without containers such as gzip, which are the business of package unpack.
func NewDecoder(r io.Reader) *Decoder {
	d := new(Decoder)
	d.Reset(r)
	return d
}

// Reset makes d read another report from r. It keeps the buffers of d and its
// Limits. Reports and strings that d has returned stay valid.
func (d *Decoder) Reset(r io.Reader) {
	d.window.reset(r)
	d.memo.reset()
	d.progress = progress{prefixes: d.prefixes[:0]}
	d.doc = new(document)
	d.rec = nil
}

// Report returns what is known of the report: the metadata, the policy and the
// warnings found so far. It is complete once Next has returned io.EOF. It
// belongs to the caller when the Decoder is Reset.
func (d *Decoder) Report() *Report { return &d.doc.report }

// Next reads the next record into rec, whose slices it reuses. It returns
// io.EOF after the last record of a report that is whole and dated, and only
// after the reader's own end. Any other error is a *Error, is returned by all
// further calls, and means that the report must not be counted. The content
// of rec is undefined after an error.
//
// A record that lacks its header_from gets the policy domain, or stays
// without when the policy comes behind the records.
func (d *Decoder) Next(rec *Record) error {
	d.rec = rec
	for d.err == nil {
		switch d.run() {
		case gotRecord:
			return nil
		case gotEnd:
			d.err = d.finish()
			d.boundWarnings()
			if d.err == nil {
				d.err = io.EOF
			}
		case needMore:
			d.restore()
			d.err = d.refill()
		case failed:
			d.boundWarnings()
		}
	}
	return d.err
}

// Records returns an iterator over the records of the report. It yields the
// same Record again and again, with other content. An error other than the
// regular end of the report is yielded last, with a nil Record.
func (d *Decoder) Records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for {
			err := d.Next(&d.own)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&d.own, nil) {
				return
			}
		}
	}
}

// outcome is why parsing stopped.
type outcome uint8

const (
	goOn      outcome = iota
	gotRecord         // d.rec is complete
	gotEnd            // the report is complete
	needMore          // the window ends inside of something
	failed            // d.err says why
)

// mark is the state at the last place that parsing can resume at. A record is
// a transaction: when the window ends inside of it, it is parsed again from
// its start after more was read.
type mark struct {
	at       int  // place in the window
	leaf     leaf // at is inside of this leaf, or behind a record
	open     node
	skip     int // open unknown elements
	comment  bool
	warnings int
	dropped  int
	codes    uint64
	prefixes int
}
