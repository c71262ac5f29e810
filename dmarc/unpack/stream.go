package unpack

import (
	"encoding/binary"
	"errors"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// inflated is the reader of a gzip or zlib stream, or of a deflated zip
// member. It returns io.EOF only after the checksum was found right.
type inflated struct {
	w     *Walker
	src   *input
	f     format // formatGzip, formatZlib or formatZip
	flate inflater
	crc   uint32 // gzip, zip
	adler hash.Hash32
	size  uint64
	want  member // formatZip: what the archive says
	err   error
}

// reset prepares z for another stream in src.
func (z *inflated) reset(w *Walker, src *input, f format) {
	z.w, z.src, z.f, z.crc, z.size, z.err = w, src, f, 0, 0, nil
	z.flate.reset(src)
	if f == formatZlib {
		z.adler = adler32.New()
	}
}

// openStream goes into a gzip or zlib stream.
func (w *Walker) openStream(in *input, f format) error {
	m := w.enter(nil)
	defer w.leave(m)
	l := w.layer(w.depth)
	z := &l.stream
	z.reset(w, in, f)
	l.in = input{buf: l.buffer(), src: z}
	if err := z.header(); err != nil {
		return w.refuse(err)
	}
	return w.open(&l.in)
}

// Read implements io.Reader.
func (z *inflated) Read(p []byte) (int, error) {
	for z.err == nil {
		if n, err := z.read(p); n > 0 || len(p) == 0 {
			return n, err
		}
	}
	return 0, z.err
}

func (z *inflated) read(p []byte) (int, error) {
	n, err := z.flate.Read(p)
	z.size += uint64(n)
	if z.f == formatZlib {
		z.adler.Write(p[:n])
	} else {
		z.crc = crc32.Update(z.crc, crc32.IEEETable, p[:n])
	}
	if limit := z.w.meter.unpack(&z.w.limits, n); limit != nil {
		z.err = limit
		return 0, limit
	}
	if err != nil {
		z.err = z.end(err)
	}
	return n, z.err
}

// end turns the end of the deflate stream into the end of the document.
func (z *inflated) end(err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case z.f == formatGzip:
		return z.gzipTrailer()
	case z.f == formatZlib:
		return z.zlibTrailer()
	default:
		if err := z.want.verify(int64(z.size), z.crc); err != nil {
			return err
		}
		return io.EOF
	}
}

// header reads the header of a stream.
func (z *inflated) header() error {
	if z.f == formatZlib {
		z.src.peek(2)
		z.src.discard(2)
		return nil
	}
	const fixed = 10
	head := z.src.peek(fixed)
	if len(head) < fixed {
		return z.cut("gzip header")
	}
	flags := head[3]
	z.src.discard(fixed)
	if flags&0xe0 != 0 {
		return refusal(dmarc.ReasonCorrupt, "reserved gzip flags")
	}
	if flags&4 != 0 { // FEXTRA
		b := z.src.peek(2)
		if len(b) < 2 || !z.skipBytes(2+int(binary.LittleEndian.Uint16(b))) {
			return z.cut("gzip header")
		}
	}
	for _, flag := range []byte{8, 16} { // FNAME, FCOMMENT
		if flags&flag != 0 && !z.skipString() {
			return z.cut("gzip header")
		}
	}
	if flags&2 != 0 && !z.skipBytes(2) { // FHCRC
		return z.cut("gzip header")
	}
	return nil
}

func (z *inflated) cut(what string) error {
	if err := z.src.end(); !errors.Is(err, io.EOF) {
		return err
	}
	return refusal(dmarc.ReasonTruncated, "%s ends early", what)
}

func (z *inflated) skipBytes(n int) bool {
	for ; n > 0; n-- {
		if _, err := z.src.ReadByte(); err != nil {
			return false
		}
	}
	return true
}

func (z *inflated) skipString() bool {
	for {
		c, err := z.src.ReadByte()
		if err != nil {
			return false
		}
		if c == 0 {
			return true
		}
	}
}

// gzipTrailer verifies a gzip member and goes on with the next one: several
// members make one document (RFC 1952, section 2.2).
func (z *inflated) gzipTrailer() error {
	const size = 8
	b := z.src.peek(size)
	if len(b) < size {
		// QUIRK(gzip-truncated): all data, but no or half a trailer.
		return z.noTrailer()
	}
	if binary.LittleEndian.Uint32(b) != z.crc || binary.LittleEndian.Uint32(b[4:]) != uint32(z.size) {
		return refusal(dmarc.ReasonCorrupt, "gzip checksum is wrong")
	}
	z.src.discard(size)
	b = z.src.peek(3)
	if string(b) != "\x1f\x8b\x08" {
		// QUIRK(gzip-crlf): Mimecast appends CRLF.
		return z.trailing()
	}
	z.crc, z.size = 0, 0
	if err := z.header(); err != nil {
		return err
	}
	z.flate.reset(z.src)
	return nil
}

func (z *inflated) zlibTrailer() error {
	b := z.src.peek(4)
	if len(b) < 4 {
		return z.noTrailer()
	}
	if binary.BigEndian.Uint32(b) != z.adler.Sum32() {
		return refusal(dmarc.ReasonCorrupt, "zlib checksum is wrong")
	}
	z.src.discard(4)
	return z.trailing()
}

func (z *inflated) noTrailer() error {
	if err := z.src.end(); !errors.Is(err, io.EOF) {
		return err
	}
	z.w.warn(CodeGzipNoTrailer, nil)
	return io.EOF
}

// trailing reads what follows the stream: the layer below has to be verified too.
func (z *inflated) trailing() error {
	if b := z.src.peek(16); len(b) > 0 {
		z.w.warn(CodeGzipTrailingJunk, b)
	}
	return z.src.drain()
}
