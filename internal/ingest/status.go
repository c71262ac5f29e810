package ingest

import (
	"sync"
	"time"
)

// Status is a snapshot of how a source is doing.
type Status struct {
	// Name is the stable name of the source: its kind, a colon and where it reads.
	Name string
	// Up is whether the source can reach what it reads.
	Up bool
	// Worked is whether it ever could, be it that it has not read everything yet.
	Worked bool
	// Backlog is how many inputs wait to be read, as far as the source knows.
	Backlog int
	// Err is what keeps the source from reading; nil when it is up.
	Err error
	// Since is when Up last changed.
	Since time.Time
	// Missed is how many inputs were listed, but gone before they could be read.
	Missed uint64
	// Listener is about the clients of a source that listens, nil for others.
	Listener *Listener
	// Panics is how many panics of parts of the source were caught.
	Panics uint64
}

// Listener is a snapshot of the clients of a source that listens.
type Listener struct {
	// Open is how many are connected.
	Open int
	// Accepted is how many connected since the start of the process.
	Accepted uint64
	// Rejections counts, by reason, what was refused of them: connections, sessions
	// that were cut off, recipients and mails that are too large.
	Rejections map[string]uint64
}

// health is the part of a source that remembers its Status. It is safe for
// concurrent use.
type health struct {
	mu     sync.Mutex
	status Status
}

func newHealth(name string) health {
	return health{status: Status{Name: name}}
}

// Status returns a snapshot.
func (h *health) Status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// set records whether the source works: nil means up.
func (h *health) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	up := err == nil
	if up != h.status.Up || h.status.Since.IsZero() {
		h.status.Since = time.Now()
	}
	h.status.Up, h.status.Err = up, err
	h.status.Worked = h.status.Worked || up
}

// reach records that what the source reads is there. It is up when it has read
// all of it without an error.
func (h *health) reach() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.Worked = true
}

// setBacklog records how many inputs wait.
func (h *health) setBacklog(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.Backlog = max(n, 0)
}

// miss counts an input that was listed and went away unread.
func (h *health) miss() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.Missed++
}
