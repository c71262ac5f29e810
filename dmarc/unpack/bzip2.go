package unpack

import (
	"compress/bzip2"
	"errors"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// bunzipped is the reader of a bzip2 stream. The library verifies the checksums.
type bunzipped struct {
	w    *Walker
	src  *input
	r    io.Reader
	size int64
	err  error
}

// bzip2Cost is how many bytes of deflate take as long as one of bzip2.
const bzip2Cost = 8

// openBzip2 goes into a bzip2 stream.
func (w *Walker) openBzip2(in *input) error {
	m := w.enter(nil)
	defer w.leave(m)
	l := w.layer(w.depth)
	l.in = input{buf: l.buffer(), src: &bunzipped{w: w, src: in, r: bzip2.NewReader(in)}}
	return w.open(&l.in)
}

// Read implements io.Reader.
func (z *bunzipped) Read(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	n, err := z.r.Read(p)
	z.size += int64(n)
	if limit := z.w.meter.unpack(&z.w.limits, n); limit != nil {
		z.err = limit
		return 0, limit
	}
	if most := z.w.limits.Unpacked / bzip2Cost; z.size > most {
		z.err = refusal(dmarc.ReasonTooLarge, "more than %d bytes in bzip2", most)
		return 0, z.err
	}
	z.err = z.end(err)
	return n, z.err
}

// end makes err, which the library gave, an error of this package.
func (z *bunzipped) end(err error) error {
	const behind = bzip2.StructuralError("bad magic value in continuation file")
	var refused *dmarc.Error
	switch {
	case err == nil, errors.Is(err, io.EOF) && !z.src.failed(), errors.As(err, &refused):
		return err
	case errors.Is(err, behind):
		z.w.warn(CodeGzipTrailingJunk, nil)
		return z.src.drain()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		if z.src.failed() {
			return z.src.err
		}
		return refusal(dmarc.ReasonTruncated, "bzip2 data ends early")
	}
	return refusal(dmarc.ReasonCorrupt, "damaged bzip2 data: %w", err)
}
