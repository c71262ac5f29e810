package nginx

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// maxLine bounds one line; nginx's own buffers are smaller by far.
const maxLine = 256 << 10

// printLength is how many bytes before the offset identify a file's past:
// enough lines that their durations and sizes do not repeat by chance.
const printLength = 1024

// drained is how long a rotated file must be quiet before it is closed: nginx
// writes to it until its workers reopen their logs.
const drained = 30 * time.Second

// position is how far one file was read. It is what the state keeps.
type position struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	// Offset is the end of the last whole line that was counted.
	Offset int64 `json:"offset"`
	// Print holds the bytes before Offset, at most printLength of them.
	Print []byte `json:"print,omitempty"`
	// Skipping is set inside a line that is longer than maxLine.
	Skipping bool `json:"skipping,omitempty"`
	// Finished is set when a rotated file was closed, read to its end.
	Finished bool `json:"finished,omitempty"`
}

// maxFinished bounds the closed files that are remembered, so that a restart
// does not take one of them for a file that nobody has read.
const maxFinished = 16

// openFile is a log file that is being read.
type openFile struct {
	position
	file    *os.File
	rotated bool      // the path names another file by now
	quiet   time.Time // when a rotated file last grew
}

// fileSet follows one path through rename, copytruncate, deletion and late
// creation. The files of one path are counted in any order, so a rotated file
// is simply read beside its successor until nobody writes to it any more.
type fileSet struct {
	path      string
	poll      time.Duration
	fromStart bool
	logger    *slog.Logger
	buffer    []byte

	// mu is held from before a chunk is counted until its position is stored,
	// so that whoever saves sees counts and positions that belong together.
	mu        sync.Mutex
	open      []*openFile
	finished  []position
	restored  []position
	known     bool // the state knew this path, or it has been opened once
	rotations atomic.Uint64
	lost      atomic.Uint64 // files that vanished before they were read to their end
	lag       atomic.Int64
	up        atomic.Bool
	failing   string // what was last logged to be wrong; used by Run alone
}

func newFileSet(path string, config AccessLogConfig) *fileSet {
	return &fileSet{
		path: path, poll: config.Poll, fromStart: config.FromStart, logger: config.Logger,
		buffer: make([]byte, maxLine),
	}
}

// begin opens what there is to read. It comes before run.
func (s *fileSet) begin() {
	if s.known {
		s.resume()
	} else {
		s.passOver()
	}
	s.note(s.refresh())
}

// run reads until ctx ends. feed gets whole lines; tooLong is called for each
// line beyond maxLine. Both are called with mu held.
func (s *fileSet) run(ctx context.Context, feed func([]byte), tooLong func()) {
	tick := time.NewTicker(s.poll)
	defer tick.Stop()
	for {
		err := s.refresh()
		for _, f := range s.open {
			err = cmp.Or(err, s.read(ctx, f, feed, tooLong))
		}
		s.note(err)
		s.retire()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// note logs when something begins or ceases to be wrong with the log.
func (s *fileSet) note(err error) {
	s.up.Store(err == nil)
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == s.failing:
	case err == nil:
		s.logger.Info("the access log can be read again", "input", s.path)
	default:
		s.logger.Warn("the access log cannot be read; waiting for it", "input", s.path, "err", err)
	}
	s.failing = text
}

// openLog opens a regular file. Opened like this, a FIFO does not wait for its
// writer.
func openLog(path string) (file *os.File, device, inode uint64, size int64, err error) {
	if file, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return nil, 0, 0, 0, err
	}
	if device, inode, size, err = identify(file); err != nil {
		_ = file.Close()
	}
	return file, device, inode, size, err
}

// refresh opens the file that the path names when it is a new one.
func (s *fileSet) refresh() error {
	file, device, inode, size, err := openLog(s.path)
	if err != nil {
		// Whatever appears here later is new and read from its start.
		s.known = true
		s.markRotated(nil)
		return err
	}
	for _, f := range s.open {
		if f.Device == device && f.Inode == inode {
			_ = file.Close()
			f.rotated = false
			s.markRotated(f)
			return nil
		}
	}
	f := &openFile{position: position{Device: device, Inode: inode}, file: file}
	if !s.known && !s.fromStart {
		f.Offset = size
		f.print()
	}
	s.known = true
	s.mu.Lock()
	s.open = append(s.open, f)
	s.mu.Unlock()
	s.markRotated(f)
	return nil
}

// markRotated notes that every open file but current has lost its path.
func (s *fileSet) markRotated(current *openFile) {
	for _, f := range s.open {
		if f != current && !f.rotated {
			f.rotated, f.quiet = true, time.Now()
			s.rotations.Add(1)
		}
	}
}

// retire closes rotated files that have been quiet for long enough, and sums the lag.
func (s *fileSet) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, lag := s.open[:0], int64(0)
	for _, f := range s.open {
		if f.rotated && time.Since(f.quiet) > drained {
			_ = f.file.Close()
			s.finish(f.position)
			continue
		}
		if _, _, size, err := identify(f.file); err == nil {
			lag += max(size-f.Offset, 0)
		}
		kept = append(kept, f)
	}
	clear(s.open[len(kept):])
	s.open = kept
	s.lag.Store(lag)
}

// read counts what has been appended to f.
func (s *fileSet) read(ctx context.Context, f *openFile, feed func([]byte), tooLong func()) error {
	for ctx.Err() == nil {
		if !f.matches(f.file) {
			s.truncated(f)
		}
		n, err := f.file.ReadAt(s.buffer, f.Offset)
		if n == 0 {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if !s.advance(f, s.buffer[:n], feed, tooLong) {
			return nil
		}
		f.quiet = time.Now()
	}
	return nil
}

// advance counts the whole lines of data, which was read at f.Offset, and
// reports whether there were any.
func (s *fileSet) advance(f *openFile, data []byte, feed func([]byte), tooLong func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := int64(0)
	if f.Skipping {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			f.move(data)
			return true
		}
		f.Skipping = false
		moved = int64(end) + 1
	}
	last := bytes.LastIndexByte(data, '\n')
	if last < 0 && len(data) == maxLine {
		tooLong()
		f.Skipping = true
		f.move(data)
		return true
	}
	if last+1 > int(moved) {
		feed(data[moved : last+1])
		moved = int64(last) + 1
	}
	f.move(data[:moved])
	return moved > 0
}

// move advances the position over data.
func (f *position) move(data []byte) {
	f.Offset += int64(len(data))
	if len(data) >= printLength {
		f.Print = append(f.Print[:0], data[len(data)-printLength:]...)
		return
	}
	f.Print = append(f.Print, data...)
	if over := len(f.Print) - printLength; over > 0 {
		f.Print = append(f.Print[:0], f.Print[over:]...)
	}
}

// print fills Print from the file.
func (f *openFile) print() {
	f.Print = make([]byte, min(f.Offset, printLength))
	if n, err := f.file.ReadAt(f.Print, f.Offset-int64(len(f.Print))); n < len(f.Print) && err != nil {
		f.Print = nil
	}
}

// matches reports whether the bytes before the offset are still those that
// were counted: a truncated file has lost them, even when it has grown again.
func (f *position) matches(file io.ReaderAt) bool {
	var have [printLength]byte
	n := len(f.Print)
	if read, _ := file.ReadAt(have[:n], f.Offset-int64(n)); read < n {
		return false
	}
	return bytes.Equal(have[:n], f.Print)
}

// truncated handles a file that was copied away and cut (copytruncate): what
// was not yet counted is in the copy, and f starts anew.
func (s *fileSet) truncated(f *openFile) {
	s.rotations.Add(1)
	copied, err := s.findCopy(f.position)
	if err != nil {
		s.lost.Add(1)
		s.logger.Warn("the access log was truncated and its copy is not to be found: lines may be lost", "input", s.path, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.position = position{Device: f.Device, Inode: f.Inode}
	if copied != nil {
		copied.rotated, copied.quiet = true, time.Now()
		s.open = append(s.open, copied)
	}
}

func (s *fileSet) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.open {
		_ = f.file.Close()
	}
	s.open = nil
}

// identify returns the device, inode and size of an open regular file.
func identify(file *os.File) (device, inode uint64, size int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return 0, 0, 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, 0, 0, fmt.Errorf("%s is not a regular file", file.Name())
	}
	device, inode = fileID(info)
	return device, inode, info.Size(), nil
}
