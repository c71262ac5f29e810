package ingest

import (
	"log/slog"
	"sync"
	"time"
)

// Notices logs what happens often, but not too often: of each message some at
// once, and then a few each minute with how many were held back. It is safe for
// concurrent use.
type Notices struct {
	logger *slog.Logger
	now    func() time.Time
	mu     sync.Mutex
	told   map[string]*told // by message
}

// told is what was logged of a message within the last interval.
type told struct {
	begin    time.Time
	n        int
	heldBack uint64
}

const (
	// noticeInterval and noticeBurst are how many of a message are logged in how long.
	noticeInterval = time.Minute
	noticeBurst    = 20
)

// NewNotices returns Notices that log to logger, which may be nil.
func NewNotices(logger *slog.Logger) *Notices {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Notices{logger: logger, now: time.Now, told: make(map[string]*told)}
}

// Warn logs a message, unless there were too many of it. Messages are constant.
func (n *Notices) Warn(message string, attributes ...any) {
	heldBack, ok := n.next(message)
	if !ok {
		return
	}
	if heldBack > 0 {
		attributes = append(attributes, "held_back", heldBack)
	}
	n.logger.Warn(message, attributes...)
}

// next reports whether a message may be logged, and how many were not before it.
func (n *Notices) next(message string) (heldBack uint64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	one := n.told[message]
	if one == nil {
		one = &told{}
		n.told[message] = one
	}
	if now := n.now(); now.Sub(one.begin) >= noticeInterval {
		one.begin, one.n = now, 0
	}
	if one.n == noticeBurst {
		one.heldBack++
		return 0, false
	}
	one.n++
	heldBack, one.heldBack = one.heldBack, 0
	return heldBack, true
}
