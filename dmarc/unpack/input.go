package unpack

import (
	"bytes"
	"errors"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// input is a source of bytes with a look-ahead: either a reader behind a
// buffer, or, with a nil src, bytes in memory.
type input struct {
	buf []byte // the unread bytes are buf[pos:]
	pos int
	src io.Reader
	err error // why src ended: io.EOF or a *dmarc.Error
	// size is how long src is expected to be; 0 means unknown.
	size int64
}

// memory makes an input of bytes that are all there.
func memory(b []byte) input { return input{buf: b} }

// peek returns the next unread bytes without consuming them: n of them unless
// the input or the buffer ends before.
func (in *input) peek(n int) []byte {
	for len(in.buf)-in.pos < n && in.fill() {
	}
	return in.buf[in.pos:min(in.pos+n, len(in.buf))]
}

// head returns the start of the unread bytes, to see what they are. all says
// that there are no more.
func (in *input) head() (b []byte, all bool) {
	b = in.peek(sniffSize)
	return b, len(b) == len(in.buf)-in.pos && in.whole()
}

// whole reports whether every byte up to the end of the input is in the buffer.
func (in *input) whole() bool {
	return in.src == nil || errors.Is(in.err, io.EOF)
}

// fill reads more bytes behind the unread ones. It returns false when there is
// no room or nothing to read.
func (in *input) fill() bool {
	if in.src == nil || in.err != nil {
		return false
	}
	if in.pos > 0 && (in.pos == len(in.buf) || len(in.buf) == cap(in.buf)) {
		in.buf = in.buf[:copy(in.buf, in.buf[in.pos:])]
		in.pos = 0
	}
	if len(in.buf) == cap(in.buf) {
		return false
	}
	n, _ := in.read(in.buf[len(in.buf):cap(in.buf)])
	in.buf = in.buf[:len(in.buf)+n]
	return n > 0
}

// read reads from src into p, which is not empty.
func (in *input) read(p []byte) (n int, err error) {
	for range 100 { // as bufio: a reader that never gets on must not hang us
		if n, in.err = in.src.Read(p); n > 0 || in.err != nil {
			return n, in.err
		}
	}
	in.err = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: io.ErrNoProgress}
	return 0, in.err
}

// end returns the error that ends the input.
func (in *input) end() error {
	if in.err == nil {
		return io.EOF
	}
	return in.err
}

// drain reads what is left, because the layer below has to be verified too.
func (in *input) drain() error {
	for {
		in.discard(len(in.buf) - in.pos)
		if !in.fill() {
			return in.end()
		}
	}
}

// failed reports whether the input ends in an error.
func (in *input) failed() bool { return in.err != nil && !errors.Is(in.err, io.EOF) }

// discard drops n bytes of the buffer.
func (in *input) discard(n int) { in.pos += n }

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if in.pos == len(in.buf) {
		if in.src != nil && in.err == nil && len(p) >= cap(in.buf) {
			return in.read(p) // no need to copy twice
		}
		if !in.fill() {
			return 0, in.end()
		}
	}
	n := copy(p, in.buf[in.pos:])
	in.pos += n
	return n, nil
}

// ReadByte implements io.ByteReader, which lets a decompressor stop exactly
// behind its last byte.
func (in *input) ReadByte() (byte, error) {
	if in.pos == len(in.buf) && !in.fill() {
		return 0, in.end()
	}
	in.pos++
	return in.buf[in.pos-1], nil
}

// skip drops leading bytes that are in the set and returns how many.
func (in *input) skip(set string) int64 {
	var skipped int64
	for {
		rest := bytes.TrimLeft(in.buf[in.pos:], set)
		n := len(in.buf) - in.pos - len(rest)
		in.pos += n
		skipped += int64(n)
		if len(rest) > 0 || !in.fill() {
			return skipped
		}
	}
}

// root reads from the caller's reader: it counts and marks the errors of the
// reader itself.
type root struct {
	w   *Walker
	r   io.Reader
	err error // the first error of r other than io.EOF
}

// Read implements io.Reader.
func (r *root) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if n < 0 || n > len(p) {
		n, err = 0, errors.New("invalid count from Read")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: err}
		return n, r.err
	}
	if err != nil {
		err = io.EOF
	}
	if limit := r.w.meter.read(&r.w.limits, n); limit != nil {
		return 0, limit
	}
	return n, err
}
