package nginx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sibling is a file that rotation made of the log: access.log.1, access.log-20261124.
type sibling struct {
	path          string
	device, inode uint64
	size          int64
	modified      time.Time
}

// compressed are the suffixes of files that cannot be read on.
var compressed = []string{".gz", ".bz2", ".xz", ".zst", ".lz4"}

// siblings lists the rotated files beside the path.
func (s *fileSet) siblings() ([]sibling, error) {
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil {
		return nil, err
	}
	var found []sibling
	base := filepath.Base(s.path)
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, base) || name == base || hasAnySuffix(name, compressed) {
			continue
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		device, inode := fileID(info)
		found = append(found, sibling{
			path: filepath.Join(filepath.Dir(s.path), name), device: device, inode: inode,
			size: info.Size(), modified: info.ModTime(),
		})
	}
	return found, nil
}

func hasAnySuffix(name string, suffixes []string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

var errNoCopy = errors.New("no file beside it has the same past")

// findCopy opens the copy that copytruncate made of a file that was read to old.
func (s *fileSet) findCopy(old position) (*openFile, error) {
	siblings, err := s.siblings()
	if err != nil {
		return nil, err
	}
	for _, candidate := range siblings {
		if candidate.size < old.Offset || candidate.inode == old.Inode {
			continue
		}
		file, err := os.Open(candidate.path)
		if err != nil {
			continue
		}
		if old.begins(file) {
			old.Device, old.Inode = candidate.device, candidate.inode
			return &openFile{position: old, file: file}, nil
		}
		_ = file.Close()
	}
	if old.Offset == 0 {
		// Nothing had been counted, so nothing identifies the copy.
		return nil, fmt.Errorf("%w: nothing of it had been read", errNoCopy)
	}
	return nil, errNoCopy
}

// passOver notes the rotated files of before the first start as finished, so
// that a later start tells them from those it has to read.
func (s *fileSet) passOver() {
	siblings, err := s.siblings()
	if err != nil {
		return // no directory, no siblings; opening the log reports the rest
	}
	slices.SortFunc(siblings, func(a, b sibling) int { return a.modified.Compare(b.modified) })
	for _, old := range siblings {
		s.finish(position{Device: old.device, Inode: old.inode, Offset: old.size})
	}
}

// finish remembers a file that is not read any more.
func (s *fileSet) finish(p position) {
	p.Finished = true
	s.finished = append(s.finished, p)
	s.finished = s.finished[max(len(s.finished)-maxFinished, 0):]
}

// resume opens the files of the restored positions where they are by now, and
// those that were begun and rotated away while nobody read.
func (s *fileSet) resume() {
	siblings, err := s.siblings()
	if err != nil {
		s.logger.Warn("cannot look for rotated files", "input", s.path, "err", err)
	}
	if info, err := os.Stat(s.path); err == nil {
		device, inode := fileID(info)
		siblings = append(siblings, sibling{s.path, device, inode, info.Size(), info.ModTime()})
	}
	var newest time.Time
	taken := map[uint64]bool{}
	for _, p := range s.restored {
		taken[p.Inode] = true
		modified, ok := s.reopen(p, siblings)
		if !ok && p.Finished {
			continue
		}
		if !ok {
			s.lost.Add(1)
			s.logger.Warn("a rotated access log is gone: lines may be lost", "input", s.path)
			continue
		}
		if modified.After(newest) {
			newest = modified
		}
	}
	restored := s.restored
	s.restored = nil
	for _, candidate := range siblings {
		if candidate.path == s.path || taken[candidate.inode] || candidate.modified.Before(newest) {
			continue
		}
		file, err := os.Open(candidate.path)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(restored, func(p position) bool { return p.begins(file) }) {
			// Read when the first file turns out to be truncated, and never for itself.
			_ = file.Close()
			s.finish(position{Device: candidate.device, Inode: candidate.inode, Offset: candidate.size})
			continue
		}
		s.adopt(&openFile{position: position{Device: candidate.device, Inode: candidate.inode}, file: file})
	}
}

// begins reports whether a file begins with what was counted of another one:
// copytruncate made it, within the same tick of the clock perhaps.
func (f *position) begins(file io.ReaderAt) bool { return len(f.Print) > 0 && f.matches(file) }

// reopen continues one restored position and returns when its file was last written.
func (s *fileSet) reopen(p position, siblings []sibling) (time.Time, bool) {
	for _, candidate := range siblings {
		if candidate.device != p.Device || candidate.inode != p.Inode {
			continue
		}
		file, err := os.Open(candidate.path)
		if err != nil {
			return time.Time{}, false
		}
		p.Finished = false
		// A file that was truncated meanwhile is noticed by the first read.
		s.adopt(&openFile{position: p, file: file})
		return candidate.modified, true
	}
	return time.Time{}, false
}

func (s *fileSet) adopt(f *openFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = true
	s.open = append(s.open, f)
}
