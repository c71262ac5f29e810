package ingest

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"
)

// maxWaiting bounds the files that a source remembers between scans. Files
// beyond it are found by the next scan.
const maxWaiting = 10_000

// waiting is what a file source knows about the files it cannot finish yet:
// those that still change, could not be read, or could not be put away.
// It is safe for concurrent use.
type waiting struct {
	mu    sync.Mutex
	files map[string]*waiter
}

type waiter struct {
	// due is when to look again; zero means at the next scan.
	due time.Time
	// seen is when the file was first seen with this fingerprint.
	seen  time.Time
	print string
	// stuck says that it could not be put away.
	stuck bool
	// reading says that a call of it did not return yet.
	reading bool
}

// get returns the entry of a file, a new one if there is none. The caller holds mu.
func (w *waiting) get(path string) *waiter {
	e := w.files[path]
	if e == nil {
		e = &waiter{}
		if w.files == nil {
			w.files = make(map[string]*waiter)
		}
		if len(w.files) < maxWaiting {
			w.files[path] = e
		}
	}
	return e
}

// quiet returns how long the file has not changed: by its own time, or by how
// long it was watched when that time is off.
func (w *waiting) quiet(path string, info fs.FileInfo) time.Duration {
	now := time.Now()
	age := now.Sub(info.ModTime())
	w.mu.Lock()
	defer w.mu.Unlock()
	print := fingerprint(info)
	e := w.files[path]
	if e != nil && e.print == print {
		age = max(age, now.Sub(e.seen))
	} else if age < 0 || e != nil {
		e = w.get(path)
		e.print, e.seen = print, now
	}
	return max(age, 0)
}

// touch notes that the file changed just now.
func (w *waiting) touch(path string, settle time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.get(path)
	e.due, e.stuck = time.Now().Add(settle), false
}

// later asks for another look at the file after a pause.
func (w *waiting) later(path string, pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.get(path).due = time.Now().Add(max(pause, time.Millisecond))
}

// reading notes that a call of the file does not return, or did after all.
func (w *waiting) reading(path string, still bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.get(path).reading = still
}

// stuck notes that a file cannot be put away and reports whether that is news.
func (w *waiting) stuck(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.get(path)
	news := !e.stuck
	e.stuck, e.due = true, time.Time{}
	return news
}

// drop forgets the file.
func (w *waiting) drop(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.files[path]; e != nil && !e.reading {
		delete(w.files, path)
	}
}

// pausing reports whether it is too early to look at the file again.
func (w *waiting) pausing(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.files[path]
	return e != nil && (e.reading || e.due.After(time.Now()))
}

// prune forgets the files that are gone.
func (w *waiting) prune() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, e := range w.files {
		if !e.due.IsZero() || e.reading {
			continue
		}
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			delete(w.files, path)
		}
	}
}

// due returns the files to look at now.
func (w *waiting) due(now time.Time) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var paths []string
	for path, e := range w.files {
		if !e.due.IsZero() && !e.due.After(now) {
			e.due = time.Time{}
			paths = append(paths, path)
		}
	}
	return paths
}

// next returns how long it is until the first file is due, at most limit.
func (w *waiting) next(limit time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for _, e := range w.files {
		if !e.due.IsZero() {
			limit = min(limit, max(e.due.Sub(now), 0))
		}
	}
	return limit
}

// len returns how many files will be looked at again.
func (w *waiting) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.files {
		if !e.due.IsZero() {
			n++
		}
	}
	return n
}
