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
	decoded  []byte   // a decoded MIME part
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
	expected := room
	if w.depth == 0 && w.root.size > 0 {
		expected = min(room, w.root.size)
	}
	b := append(l.held[:0], in.buf[in.pos:]...)
	for {
		if len(b) == cap(b) {
			if int64(len(b)) > expected { // It was a wrong guess.
				expected = room
			}
			b = grow(b, expected+1)
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

// grow moves b to a larger array, of limit bytes at most unless b is longer.
// From a few MiB on that is the limit at once: doubling would hold half as much again.
func grow(b []byte, limit int64) []byte {
	const jump = 4 << 20
	size := max(2*int64(cap(b)), 4*bufferSize)
	if size > jump {
		size = max(limit, int64(len(b))+bufferSize)
	}
	return append(make([]byte, 0, size), b...)
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
