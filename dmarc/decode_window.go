package dmarc

import (
	"bytes"
	"errors"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Sizes of the window: it starts small for small reports and doubles up to
// windowBytes, which keeps the cost of parsing a record again below one in
// several hundred. Only a record that is larger makes it grow further.
const (
	windowStart = 8 << 10
	windowBytes = 256 << 10
)

// window is the part of the document that is in memory: buf[:end], followed
// by slack zero bytes. The first byte has the offset base in the document.
type window struct {
	r     io.Reader
	buf   []byte
	end   int
	base  int64
	eof   bool
	readE error // why reading ended, other than io.EOF
	bom   int64 // the size of the byte order mark
	first int   // size at the start; 0 stands for windowStart

	lines   int // line breaks before buf[counted]
	counted int
}

func (w *window) reset(r io.Reader) {
	if len(w.buf) > 4*windowBytes {
		w.buf = nil
	}
	*w = window{r: r, buf: w.buf, first: w.first}
}

// refill drops what lies before the checkpoint and reads more, until the window is
// full or the input ends. It fails when neither is possible.
func (d *Decoder) refill() error {
	if d.eof {
		return d.ended()
	}
	if !d.started {
		d.limits = d.Limits.withDefaults()
	}
	if err := d.shift(); err != nil {
		return err
	}
	d.read()
	if d.base+int64(d.end) > d.limits.Bytes {
		return d.fail(ReasonTooLarge, d.checkpoint.at, "the document is larger than %d bytes", d.limits.Bytes)
	}
	if !d.started {
		d.started = true
		return d.detectCharset()
	}
	return nil
}

// shift moves the unread rest to the front of the window and makes the window
// larger when less than half of it would be free.
func (d *Decoder) shift() error {
	at := d.checkpoint.at
	d.countLines(at)
	rest := d.buf[at:d.end]
	size := len(d.buf) - slack
	switch {
	case size < 0:
		if size = d.first; size == 0 {
			size = windowStart
		}
	case d.held(d.end) > d.limits.RecordBytes:
		d.tooLarge()
		return d.err
	case len(rest)*2 >= size || d.started && d.first == 0 && size < windowBytes:
		size = max(size, min(2*size, d.limits.RecordBytes+1))
	}
	if size += slack; size != len(d.buf) {
		d.buf = append(make([]byte, 0, size), rest...)[:size]
	} else {
		copy(d.buf, rest)
	}
	d.end = len(rest)
	d.base += int64(at)
	d.counted -= at
	d.checkpoint.at = 0
	return nil
}

// held returns how much is held in memory from the checkpoint to p, white space before it aside.
func (d *Decoder) held(p int) int {
	return p - min(p, spaceEnd(d.buf, d.checkpoint.at))
}

// tooLarge refuses the report for the record, value or tag at the checkpoint.
func (d *Decoder) tooLarge() outcome {
	return d.stop(ReasonTooLarge, d.checkpoint.at, "a record, a value or a tag is larger than %d bytes", d.limits.RecordBytes)
}

// read fills the window. It never reads more than one byte beyond Limits.Bytes.
func (d *Decoder) read() {
	to := int64(len(d.buf) - slack)
	if most := d.limits.Bytes - d.base; most < to {
		to = most + 1
	}
	for idle := 0; d.end < int(to) && !d.eof; {
		n, err := d.r.Read(d.buf[d.end:to])
		d.end += n
		if idle++; n > 0 {
			idle = 0
		}
		if err == nil && idle > 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			d.eof = true
			if err != io.EOF { // A wrapped io.EOF is not the end of a Reader but a failure.
				d.readE = err
			}
		}
	}
	clear(d.buf[d.end : d.end+slack])
}

// ended returns the error of a document that ends too early.
func (d *Decoder) ended() error {
	switch {
	case d.readE != nil:
		return d.readError()
	case d.root != rootNone || d.declared:
		return d.fail(ReasonTruncated, d.end, "the document ends inside of the report")
	case d.checkpoint.at == d.end && d.codes == 0: // Nothing but white space was passed.
		return d.fail(ReasonEmpty, d.end, "the document is empty")
	}
	return d.fail(ReasonNotAReport, d.end, "the document has no feedback element")
}

// readError returns the error of the reader as a *Error that is never taken
// for the regular end, io.EOF, whatever it wraps.
func (d *Decoder) readError() error {
	err, reason := d.readE, ReasonIO
	var inner *Error
	switch {
	case errors.As(err, &inner):
		reason = inner.Reason
	case errors.Is(err, io.ErrUnexpectedEOF):
		reason = ReasonTruncated
	}
	if errors.Is(err, io.EOF) {
		err = errors.New(err.Error())
	} else if inner != nil {
		return err
	}
	return d.failErr(reason, d.end, err)
}

// countLines brings lines up to the place p, which is rarely before counted.
func (w *window) countLines(p int) {
	if p < w.counted {
		w.lines -= bytes.Count(w.buf[p:w.counted], []byte{'\n'})
	} else {
		w.lines += bytes.Count(w.buf[w.counted:p], []byte{'\n'})
	}
	w.counted = p
}

// detectCharset looks at the first bytes of the document.
func (d *Decoder) detectCharset() error {
	e, mark := text.Detect(d.buf[:d.end])
	switch {
	case e == text.UTF32:
		return d.fail(ReasonEncoding, 0, "UTF-32 is not supported")
	case e == text.Single:
		if mark > 0 { // QUIRK(bom): Microsoft.
			d.checkpoint.at, d.bom, d.unicode = mark, int64(mark), true
		}
		return nil
	case mark == 0:
		d.warn(CodeCharsetMislabelled, 0, "UTF-16 without a byte order mark")
		d.commit(0)
	}
	// QUIRK(utf16): converted on the way into the window.
	d.unicode = true
	d.r, d.end = text.NewUTF16Reader(d.raw(mark), e), 0
	d.read()
	return nil
}

// raw returns a reader of the input from p in the window on, to convert it.
func (d *Decoder) raw(p int) io.Reader {
	r := io.MultiReader(bytes.NewReader(bytes.Clone(d.buf[p:d.end])), &endReader{d.r, d.eof, d.readE})
	d.eof, d.readE = false, nil
	return r
}

// convert reads on from p in the window in the named character set. It reports
// false when nobody knows that.
func (d *Decoder) convert(name string, p int) bool {
	if d.Text.Charset == nil || d.Text.Charset(name, eof{}) == nil {
		return false
	}
	// QUIRK(charset-declared): windows-1251, Shift_JIS and their like.
	d.r = d.Text.Charset(name, d.raw(p))
	d.charset, d.end = text.Converted, p
	d.read()
	return true
}

// eof is an empty reader.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// endReader reads on from a reader unless its end was seen.
type endReader struct {
	r   io.Reader
	eof bool
	err error
}

func (e *endReader) Read(p []byte) (int, error) {
	switch {
	case e.err != nil:
		return 0, e.err
	case e.eof:
		return 0, io.EOF
	}
	return e.r.Read(p)
}
