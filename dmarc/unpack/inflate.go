package unpack

import (
	"compress/flate"
	"errors"
	"io"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// inflater is a reader of deflate streams (RFC 1951) that is reused: a new one
// for each small report would cost more than the report. It leaves its input
// exactly behind the stream, because that is an io.ByteReader.
type inflater struct {
	in *input
	z  io.ReadCloser
}

// reset prepares f for the stream at the start of in.
func (f *inflater) reset(in *input) {
	f.in = in
	if f.z == nil {
		f.z = flate.NewReader(in)
		return
	}
	// Reset fails for dictionaries alone.
	_ = f.z.(flate.Resetter).Reset(in, nil)
}

// Read implements io.Reader. It returns io.EOF behind the last block.
func (f *inflater) Read(p []byte) (int, error) {
	n, err := f.z.Read(p)
	switch {
	case err == nil, err == io.EOF: // An input that failed may wrap an io.EOF.
		return n, err
	case f.in.failed():
		return n, f.in.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, refusal(dmarc.ReasonTruncated, "compressed data ends early")
	}
	return n, refusal(dmarc.ReasonCorrupt, "compressed data is damaged")
}
