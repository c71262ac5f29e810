package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// steadyFile reads a regular file, and fails when the file is not what it was
// before. No call of it takes longer than patience, or lasts when ctx ends: a
// file of a network or of FUSE may never answer, which must cost nobody else.
// It is opened when it is read first.
type steadyFile struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no other way to end a long read.
	path   string
	follow bool // symbolic links
	before fs.FileInfo
	// patience is how long a call may take.
	patience time.Duration
	// stuck is called when a call does not return in time, and freed when it
	// returns after all. They may be nil.
	stuck, freed func()
	// buffers have what files read into; nil makes each file its own.
	buffers *sync.Pool

	file   *os.File
	offset int64
	err    error // of Read, after what was read
	buf    []byte
	gone   bool // a call did not return, and the file belongs to it
}

// errStuck says that a file did not answer.
var errStuck = errors.New("the file does not answer")

// call runs work on the file in the background. Work that does not return keeps
// the file and the buffer.
func (f *steadyFile) call(work func() error) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	if f.gone {
		return errStuck
	}
	done, abandoned := make(chan error), make(chan struct{})
	go func() {
		err := work()
		select {
		case done <- err:
		case <-abandoned:
			f.close()
			if f.freed != nil {
				f.freed()
			}
		}
	}()
	timer := time.NewTimer(f.patience)
	defer timer.Stop()
	var err error
	select {
	case err := <-done:
		return err
	case <-timer.C:
		err = fmt.Errorf("%w within %s", errStuck, f.patience)
	case <-f.ctx.Done():
		err = f.ctx.Err()
	}
	f.gone = true
	if f.stuck != nil {
		f.stuck()
	}
	close(abandoned)
	return err
}

// Read reads on.
func (f *steadyFile) Read(p []byte) (int, error) {
	if err := f.err; err != nil {
		f.err = nil
		return 0, err
	}
	most := int64(min(len(p), steadyBuffer))
	if f.before != nil && f.offset <= f.before.Size() { // A byte more tells that it has grown.
		most = min(most, f.before.Size()-f.offset+1)
	}
	n, err := f.ReadAt(p[:most], f.offset)
	f.offset += int64(n)
	if err != nil && n > 0 {
		f.err, err = err, nil // the next call returns it
	}
	return n, err
}

// steadyBuffer is how much is read at once.
const steadyBuffer = 64 << 10

// ReadAt reads at an offset, at most steadyBuffer.
func (f *steadyFile) ReadAt(p []byte, offset int64) (n int, err error) {
	if len(p) > steadyBuffer {
		return f.readLong(p, offset)
	}
	if err := f.open(); err != nil {
		return 0, err
	}
	f.makeRoom(len(p))
	// The caller's p must not change when the call is given up.
	buf, read := f.buf[:len(p)], 0
	err = f.call(func() (err error) {
		read, err = f.file.ReadAt(buf, offset)
		if errors.Is(err, io.EOF) {
			err = cmp.Or(f.unchanged(), err)
		}
		return err
	})
	if f.gone {
		return 0, err
	}
	return copy(p, buf[:read]), err
}

// makeRoom makes the buffer at least of a size.
func (f *steadyFile) makeRoom(size int) {
	if f.buffers == nil {
		if cap(f.buf) < size {
			f.buf = make([]byte, size)
		}
		return
	}
	if f.buf == nil {
		buf, ok := f.buffers.Get().(*[steadyBuffer]byte)
		if !ok {
			buf = new([steadyBuffer]byte)
		}
		f.buf = buf[:]
	}
}

// readLong is ReadAt in pieces.
func (f *steadyFile) readLong(p []byte, offset int64) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = f.ReadAt(p[n:min(len(p), n+steadyBuffer)], offset+int64(n))
		n += m
	}
	return n, err
}

// unchanged fails when the file is not what it was.
func (f *steadyFile) unchanged() error {
	now, err := f.file.Stat()
	if err == nil && fingerprint(now) != fingerprint(f.before) {
		return errChanged
	}
	return err
}

// open opens the file.
func (f *steadyFile) open() error {
	if f.file != nil {
		return nil
	}
	return f.call(func() error {
		file, info, err := openRegular(f.path, f.follow)
		if err != nil {
			return err
		}
		if f.before != nil && !os.SameFile(info, f.before) {
			file.Close()
			return errChanged
		}
		f.file, f.before = file, info
		return nil
	})
}

func (f *steadyFile) close() {
	if f.file != nil {
		f.file.Close()
	}
}

// release closes the file and gives the buffer back as soon as it was read: its
// delivery may wait for many others.
func (f *steadyFile) release() {
	if !f.gone {
		f.close()
		if f.buffers != nil && f.buf != nil {
			f.buffers.Put((*[steadyBuffer]byte)(f.buf))
		}
	}
	f.buf = nil
}

// errIrregular says that something is no file to be read.
var errIrregular = errors.New("it is not a regular file")

// openRegular opens a file that may be something else since it was looked at: a
// pipe or a device must not block, and a link must not lead elsewhere.
func openRegular(path string, follow bool) (*os.File, fs.FileInfo, error) {
	flags := os.O_RDONLY | syscall.O_NONBLOCK
	if !follow {
		flags |= syscall.O_NOFOLLOW
	}
	file, err := os.OpenFile(path, flags, 0)
	if errors.Is(err, syscall.ELOOP) {
		err = fmt.Errorf("%w, but a symbolic link, which --source.follow-links and follow_links allow", errIrregular)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("read %s: %w", path, errIrregular)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}
