package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"path"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// openTar goes through the regular files of a tar archive.
func (w *Walker) openTar(b []byte) error {
	r := tar.NewReader(bytes.NewReader(b))
	for n := 0; ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return w.refuse(tarError(err))
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if n++; n > w.limits.Members {
			return w.refuse(refusal(dmarc.ReasonTooMany, "tar with more than %d members", w.limits.Members))
		}
		if err := w.openTarMember(h, r); err != nil {
			return err
		}
	}
}

func (w *Walker) openTarMember(h *tar.Header, r io.Reader) error {
	m := w.enter([]byte(path.Base(h.Name)))
	defer w.leave(m)
	l := w.layer(w.depth)
	l.in = input{buf: l.buffer(), src: &tarMember{w: w, r: r}}
	return w.open(&l.in)
}

// tarMember charges what is read to the limits: a sparse file is mostly made of nothing.
type tarMember struct {
	w *Walker
	r io.Reader
}

// Read implements io.Reader.
func (t *tarMember) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if limit := t.w.meter.unpack(&t.w.limits, n); limit != nil {
		return 0, limit
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = tarError(err)
	}
	return n, err
}

func tarError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return refusal(dmarc.ReasonTruncated, "tar ends early")
	}
	return refusal(dmarc.ReasonCorrupt, "%w", err)
}
