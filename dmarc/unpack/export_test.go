package unpack

import (
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
)

// Balanced reports whether a walk left nothing behind that the next one would see.
func (w *Walker) Balanced() bool {
	return w.depth == 0 && w.held == 0 && w.mail == nil && len(w.path) == 0 && len(w.parts) == 0 && len(w.members) == 0
}

// Base64 is mime.Base64 into a new slice.
func Base64(b []byte) (out, junk []byte) { return mime.Base64.Decode(nil, b) }

// Inflate unpacks the deflate stream at the start of r and returns what it
// left in r. size is that of the look-ahead buffer.
func Inflate(r io.Reader, size int) (out, rest []byte, err error) {
	in := &input{buf: make([]byte, 0, size), src: r}
	return inflate(in)
}

// InflateMemory is Inflate of bytes in memory.
func InflateMemory(b []byte) (out, rest []byte, err error) {
	in := memory(b)
	return inflate(&in)
}

func inflate(in *input) (out, rest []byte, err error) {
	f := new(inflater)
	f.reset(in)
	out, err = io.ReadAll(f)
	rest, _ = io.ReadAll(in)
	return out, rest, err
}
