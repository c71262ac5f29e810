package reportfiles

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// ArchiveConfig configures an Archive.
type ArchiveConfig struct {
	Path string
	// MaxBytes is how large a file becomes before another one is begun.
	MaxBytes int64
	// MaxAge is how old the first line of a file becomes before another one is
	// begun; 0 means any age.
	MaxAge time.Duration
	// Files is how many full ones are kept besides the current one.
	Files int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger may be nil.
	Logger *slog.Logger
}

// Archive appends reports to a file, one line of JSON for each record, policy
// and failure report, as parse prints them. It is an ingest.Archive.
type Archive struct {
	config ArchiveConfig

	mu    sync.Mutex
	file  *os.File
	size  int64
	since time.Time // of the first line
	dirty bool
}

// OpenArchive opens or creates a file, and finishes what a crash interrupted.
func OpenArchive(c ArchiveConfig) (*Archive, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Archive{config: c}
	err := a.open()
	if err == nil {
		if err = a.pack(); err != nil {
			a.file.Close() // Nothing was written.
		}
	}
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return a, nil
}

func (a *Archive) open() (err error) {
	if a.file, err = os.OpenFile(a.config.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return err
	}
	if a.size, err = wholeLines(a.file); err == nil {
		err = a.file.Truncate(a.size)
	}
	if err == nil {
		a.since, err = firstLine(a.file)
	}
	if err != nil {
		a.file.Close()
	}
	return err
}

// wholeLines returns the size of a file up to its last newline: a line that was
// cut by a crash is not one.
func wholeLines(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	b := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		from := max(end-int64(len(b)), 0)
		n, err := file.ReadAt(b[:end-from], from)
		if err != nil {
			return 0, err
		}
		if at := bytes.LastIndexByte(b[:n], '\n'); at >= 0 {
			return from + int64(at) + 1, nil
		}
		end = from
	}
	return 0, nil
}

// firstLine returns when the first line of a file was written. That of version
// 0.1.0 does not have it, and the last change has to do.
func firstLine(file *os.File) (time.Time, error) {
	info, err := file.Stat()
	if err != nil {
		return time.Time{}, err
	}
	var first struct {
		Received time.Time `json:"received"`
	}
	const longest = 1 << 20
	text, err := bufio.NewReaderSize(&at{file: file}, longest).ReadSlice('\n')
	if err != nil || json.Unmarshal(text, &first) != nil || first.Received.IsZero() {
		return info.ModTime(), nil
	}
	return first.Received, nil
}

// at reads a file from its start, wherever that is read or written meanwhile.
type at struct {
	file   *os.File
	offset int64
}

// Read reads on.
func (r *at) Read(p []byte) (int, error) {
	n, err := r.file.ReadAt(p, r.offset)
	r.offset += int64(n)
	return n, err
}

// Draft returns a place for the lines of one report.
func (a *Archive) Draft() ingest.Draft { return &draft{archive: a} }

// Sync makes durable what was appended.
func (a *Archive) Sync() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sync()
}

func (a *Archive) sync() error {
	if !a.dirty {
		return nil
	}
	if err := a.file.Sync(); err != nil {
		return err
	}
	a.dirty = false
	return nil
}

// Close closes the file.
func (a *Archive) Close() error { return errors.Join(a.Sync(), a.file.Close()) }

// append writes lines, all of them or none.
func (a *Archive) append(lines *spill) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.config.Now()
	if a.size > 0 && a.size+lines.size > a.config.MaxBytes || a.old(now) {
		if err := a.rotate(); err != nil {
			return fmt.Errorf("begin another file: %w", err)
		}
	}
	a.dirty = true
	if err := lines.writeTo(a.file); err != nil {
		return errors.Join(err, a.file.Truncate(a.size))
	}
	if a.size == 0 {
		a.since = now
	}
	a.size += lines.size
	return nil
}

// old reports whether another file is to be begun because of the first line.
func (a *Archive) old(now time.Time) bool {
	return a.config.MaxAge > 0 && a.size > 0 && now.Sub(a.since) >= a.config.MaxAge
}

// Run begins another file when the first line becomes too old, also when no
// report comes, until ctx ends.
func (a *Archive) Run(ctx context.Context) {
	if a.config.MaxAge <= 0 {
		return
	}
	const often = time.Minute
	tick := time.NewTicker(min(a.config.MaxAge, often))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := a.age(); err != nil {
				a.config.Logger.Error("cannot begin another file of the archive, will try again", "file", a.config.Path, "err", err)
			}
		}
	}
}

// age begins another file if it is time.
func (a *Archive) age() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.old(a.config.Now()) {
		return nil
	}
	return a.rotate()
}
