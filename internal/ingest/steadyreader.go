package ingest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// steadyReader reads a file until ctx ends, and fails when the file is not what
// it was before. It opens the file when it is read.
type steadyReader struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no other way to end a long read.
	path   string
	file   *os.File
	before fs.FileInfo
}

// Read reads the file.
func (r *steadyReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.file == nil {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	n, err := r.file.Read(p)
	if errors.Is(err, io.EOF) {
		now, statErr := r.file.Stat()
		if statErr != nil {
			return n, statErr
		}
		if fingerprint(now) != fingerprint(r.before) {
			return n, errChanged
		}
	}
	return n, err
}

func (r *steadyReader) open() error {
	// It may have become a pipe since it was looked at, which must not block.
	file, err := os.OpenFile(r.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	if now, err := file.Stat(); err != nil || !os.SameFile(now, r.before) {
		file.Close()
		return errChanged
	}
	r.file = file
	return nil
}

// release closes the file as soon as it was read: its delivery may wait for
// many others.
func (r *steadyReader) release() {
	if r.file != nil {
		r.file.Close()
	}
}
