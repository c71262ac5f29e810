package dmarc

import (
	"errors"
	"hash"
	"io"
	"iter"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// How a value gets from the document into a Record
//
// Take the 7 in
//
//	<row>
//	  <source_ip>192.0.2.1</source_ip>
//	  <count>7</count>
//	  <policy_evaluated>
//	    <disposition>none</disposition>
//
//  1. The window (decode_window.go) holds a part of the document, up to 256 KiB,
//     in UTF-8 or a superset of ASCII, and behind it 16 zero bytes on which every
//     scan ends (slack in decode_scan.go). Next calls run.
//  2. The fast path (decode_fast.go) has just read the value of source_ip, so
//     the 192.0.2.1 is in the record and p is at the '<' behind it. The bytes
//     from there to the next value, "</source_ip>\n  <count>", are a gap. The
//     record before had the same gap, so it is in the tag cache
//     (decode_tagcache.go): one comparison, and p is at the 7 of the leaf
//     leafCount (decode_elements.go).
//  3. plainValue reads digits up to the next '<' and stores 7. For other leaves
//     it compares with the last value of the same leaf, then looks into
//     bounded tables of strings (decode_strings.go); what is not there is checked
//     and allocated.
//  4. The next gap, "</count>\n  <policy_evaluated>\n    <disposition>", leads on.
//
// Whatever does not fit takes the slow path, which is written to be right and
// not to be fast, and goes back to the fast one at the next value:
//
//   - A gap that is not in the cache is read tag by tag (readTags in
//     decode_tags.go). If it consists of plain tags and white space it is kept.
//     Comments and other markup are in decode_markup.go, namespaces in
//     decode_namespace.go, unknown elements in decode_skip.go.
//   - "<count> 7.0 </count>" is not plain: slowValue reads the content of the
//     leaf with references, CDATA and other bytes (decode_value.go) and set
//     stores it: decode_record.go for a record, decode_metadata.go for
//     what stands before the records. value.go has the rules for single values.
//   - The window ends before the value does. Then everything since the last
//     checkpoint (decode_checkpoint.go), which is the start of the record, is
//     taken back, the window is moved on and filled, and the record is read
//     again. Nothing has to remember where in a value or tag it was.
//
// What is repaired on the way is a warning (decode_warnings.go).

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
	// Text knows more of text than the standard library. It may be set before
	// the first call of Next and is kept by Reset.
	Text Text

	window
	progress
	strings interner
	last    [leafLimit]string // the last value of each leaf, when it was clean
	tags    tagCache
	bits    map[Code]uint64 // of codeBit

	doc *document
	rec *Record // the record that Next was given
	own Record  // the record that Records yields

	scratch   []byte                  // a value with references, or not in ASCII
	folded    []byte                  // a value in lower case
	key       [internMax + slack]byte // a value that is looked up
	namespace []attribute             // declarations of the last tag
	names     [maxDepth]uint32        // hashes of the names of skipped elements
}

// progress is how far a Decoder is with a document.
type progress struct {
	checkpoint checkpoint
	err        error // what Next returns from now on
	started    bool  // the first window was filled
	root       rootState
	open       node
	skip       int  // open elements inside of an unknown one, itself included
	comment    bool // inside of a comment that is larger than the window
	trailing   bool // behind the report, and it was said

	charset  text.Charset
	unicode  bool // the charset is known from the first bytes
	declared bool // the XML declaration was seen
	entities bool // the document type declares entities
	schema   bool // inside of a schema element
	prefixes []prefix
	outside  int // prefixes that are declared outside of the record

	records int
	unknown bool      // elements were skipped that may have held records
	digest  hash.Hash // of the records of a report that has no report_id so far
	seen    uint64    // leaves that have a value, by 1<<leaf
	drop    bool      // the open list entry is beyond maxEntries
	cut     bool      // scratch is at Limits.TextBytes and was to be longer

	work int64 // of Limits.Work

	codes uint64 // warned of, by codeBit
}

// rootState is whether the root element was found.
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
// Limits and Text. Reports and strings that d has returned stay valid.
func (d *Decoder) Reset(r io.Reader) {
	d.window.reset(r)
	d.tags.reset()
	d.progress = progress{prefixes: d.prefixes[:0]}
	d.doc = new(document)
	d.rec = nil
}

// Report returns what is known of the report: the metadata, the policy and the
// warnings found so far. It is complete once Next has returned io.EOF. It
// belongs to the caller when the Decoder is Reset.
func (d *Decoder) Report() *Report { return &d.doc.report }

// Work returns what was counted so far of Limits.Work.
func (d *Decoder) Work() int64 { return d.work }

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
			d.rollback()
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
