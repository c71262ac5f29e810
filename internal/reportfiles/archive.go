package reportfiles

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Archive appends the records of reports to a file, one line of JSON each, as
// parse prints them. It is an ingest.Archive.
type Archive struct {
	path     string
	maxBytes int64 // of a file, before another one is begun
	files    int   // that are kept besides the current one

	mu    sync.Mutex
	file  *os.File
	size  int64
	dirty bool
}

// OpenArchive opens or creates a file. When it has maxBytes, another one is
// begun, and so many full ones are kept.
func OpenArchive(path string, maxBytes int64, files int) (*Archive, error) {
	a := &Archive{path: path, maxBytes: maxBytes, files: files}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return a, nil
}

func (a *Archive) open() (err error) {
	if a.file, err = os.OpenFile(a.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return err
	}
	if a.size, err = wholeLines(a.file); err == nil {
		err = a.file.Truncate(a.size)
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

// Draft returns a place for the records of one report.
func (a *Archive) Draft() ingest.Draft { return &draft{archive: a} }

// Sync makes durable what was appended.
func (a *Archive) Sync() error {
	a.mu.Lock()
	defer a.mu.Unlock()
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
	if a.size > 0 && a.size+lines.size > a.maxBytes {
		if err := a.rotate(); err != nil {
			return fmt.Errorf("begin another file: %w", err)
		}
	}
	a.dirty = true
	if err := lines.writeTo(a.file); err != nil {
		return errors.Join(err, a.file.Truncate(a.size))
	}
	a.size += lines.size
	return nil
}

// rotate begins another file: path becomes path.1, path.1 becomes path.2, and the last goes.
func (a *Archive) rotate() error {
	if err := a.file.Sync(); err != nil {
		return err
	}
	name := func(n int) string {
		if n == 0 {
			return a.path
		}
		return fmt.Sprintf("%s.%d", a.path, n)
	}
	if err := os.Remove(name(a.files)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for n := a.files; n > 0; n-- {
		if err := os.Rename(name(n-1), name(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	old := a.file
	if err := a.open(); err != nil {
		a.file = old
		return err
	}
	old.Close() // It was synced.
	dir, err := os.Open(filepath.Dir(a.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// draft holds the lines of a report that may still turn out not to be whole.
type draft struct {
	archive *Archive
	header  reportjson.Header
	lines   recordLines
	text    spill
	report  *dmarc.Report
}

// Begin drops what was not kept.
func (d *draft) Begin(input string) {
	d.header, d.report = reportjson.Header{Path: input}, nil
	d.lines.drop()
	d.text.reset()
}

// Record adds a record.
func (d *draft) Record(report *dmarc.Report, rec *dmarc.Record) {
	d.report = report
	d.lines.add(d.header, report, rec, d.print)
}

// print writes a line; its errors are kept for Keep.
func (d *draft) print(l reportjson.Line) { _ = reportjson.Write(&d.text, l) }

// Keep appends the lines to the archive.
func (d *draft) Keep() error {
	if d.report != nil {
		d.lines.flush(d.header, d.report, d.print)
	}
	if d.text.err != nil {
		return d.text.err
	}
	if d.text.size == 0 {
		return nil
	}
	return d.archive.append(&d.text)
}

// spillMemory is how much text a spill holds in memory.
const spillMemory = 256 << 10

// spill collects text, of which a large one goes to a temporary file.
type spill struct {
	memory bytes.Buffer
	file   *os.File
	size   int64
	err    error
}

// Write adds text. It never fails; what went wrong is in err.
func (s *spill) Write(p []byte) (int, error) {
	if s.err != nil {
		return len(p), nil
	}
	s.size += int64(len(p))
	s.memory.Write(p)
	if s.memory.Len() < spillMemory {
		return len(p), nil
	}
	if s.file == nil {
		if s.file, s.err = os.CreateTemp("", "dmarc-archive-*"); s.err != nil {
			return len(p), nil
		}
		// Where the system allows it, the file is gone even if the process is killed.
		_ = os.Remove(s.file.Name())
	}
	if _, s.err = s.memory.WriteTo(s.file); s.err != nil {
		s.memory.Reset() // Its rest is of no use.
	}
	return len(p), nil
}

// writeTo writes all of the text.
func (s *spill) writeTo(w io.Writer) error {
	if s.file != nil {
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(w, s.file); err != nil {
			return err
		}
	}
	_, err := w.Write(s.memory.Bytes())
	return err
}

// reset drops the text.
func (s *spill) reset() {
	s.memory.Reset()
	s.size, s.err = 0, nil
	if s.file != nil {
		s.file.Close() // It has no name any more.
		s.file = nil
	}
}
