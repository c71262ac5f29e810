package unpack

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

const (
	bufferSize = 32 << 10 // look-ahead of a stream
	sniffSize  = 4 << 10  // what is looked at to decide what a stream is
	keepBuffer = 1 << 20  // larger buffers are given back after a walk
)

// layer is what one level of containers needs; it is reused.
type layer struct {
	in       input    // the content of the container at this level
	src      input    // what stream reads, when that is in memory
	stream   inflated // its decompressor
	buf      []byte   // of in
	sequence sequence // of the documents in in
	held     []byte   // a mail or archive in memory
	encoded  encoded  // what in reads, when that is an encoded part
}

// layer returns the buffers of a depth.
func (w *Walker) layer(depth int) *layer {
	for len(w.layers) <= depth {
		w.layers = append(w.layers, new(layer))
	}
	return w.layers[depth]
}

// buffer returns the empty look-ahead buffer of l.
func (l *layer) buffer() []byte {
	if l.buf == nil {
		l.buf = make([]byte, 0, bufferSize)
	}
	return l.buf
}

// hold brings the rest of in into memory. The caller gives the bytes back to
// the limit with w.held -= int64(len(b)) when it is done with them.
func (w *Walker) hold(in *input) ([]byte, error) {
	for in.fill() {
	}
	if in.src != nil && in.err == nil {
		if err := w.holdLong(in); err != nil {
			return nil, err
		}
	}
	if !in.whole() {
		return nil, in.end()
	}
	b := in.buf[in.pos:]
	if w.held+int64(len(b)) > w.limits.Memory {
		return nil, w.tooLong()
	}
	w.held += int64(len(b))
	return b, nil
}

func (w *Walker) tooLong() error {
	return refusal(dmarc.ReasonTooLarge, "more than %d bytes of mails and archives", w.limits.Memory)
}

// holdLong replaces the look-ahead buffer of in by one that holds all the rest.
func (w *Walker) holdLong(in *input) error {
	l := w.layer(w.depth)
	room := w.limits.Memory - w.held
	b := append(l.held[:0], in.buf[in.pos:]...)
	size := 2 * int64(len(b))
	if in.size > 0 {
		size = max(size, in.size+1) // and one byte to see the end
	}
	for {
		if len(b) == cap(b) {
			var err error
			if b, err = w.grow(b, size, room+1); err != nil {
				return err
			}
			size = 0
		}
		n, err := in.src.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > room {
			return w.tooLong()
		}
		if err != nil {
			in.err = err
			break
		}
	}
	l.held = b
	in.buf, in.pos = b, 0
	return nil
}

// jump is the size from which a buffer takes all that is allowed at once:
// doubling would hold half as much again.
const jump = 4 << 20

// grow moves b to an array of size bytes, or twice its own when that is more,
// but of limit bytes at most unless b is longer.
func (w *Walker) grow(b []byte, size, limit int64) ([]byte, error) {
	double := max(2*int64(cap(b)), 4*bufferSize)
	switch {
	case size > double:
		size = min(size, limit)
	case double > jump:
		size = limit
	default:
		size = double
	}
	if size = max(size, int64(len(b))+bufferSize); size > jump {
		if err := w.takeLarge(); err != nil {
			return nil, err
		}
	}
	return append(make([]byte, 0, size), b...), nil
}

// takeLarge asks the caller once whether the walk may take much memory.
func (w *Walker) takeLarge() error {
	if w.Large == nil || w.large {
		return nil
	}
	w.large = true
	if err := w.Large(); err != nil {
		w.root.err = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: err}
	}
	return w.root.err
}

// printable makes a string of at most limit bytes that is valid UTF-8 without
// control or formatting characters.
func printable(b []byte, limit int) string {
	plain := len(b) <= limit
	for _, c := range b[:min(len(b), limit)] {
		plain = plain && c >= ' ' && c < utf8.RuneSelf && c != 0x7f
	}
	if plain {
		return string(b)
	}
	s := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, string(b[:min(len(b), limit)]))
	return text.Cut(s, limit)
}
