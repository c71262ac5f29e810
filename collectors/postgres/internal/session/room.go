package session

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// room is what is known of how many connections the server has left for us: a role
// may be limited to one. The mutex of the pool guards it.
type room struct {
	used  int           // sessions in use or about to be opened
	full  time.Time     // when the server last had no room for one more
	ended time.Time     // when a session of this process was last closed
	freed chan struct{} // closed when one is given back; nil if nobody waits
}

const (
	// fullFor is how long nobody tries to open one more session beside another.
	fullFor = time.Minute
	// endingFor is how long the server may take to notice that a session has ended,
	// and endingPause how often it is asked.
	endingFor   = time.Second
	endingPause = 50 * time.Millisecond
)

// errNoRoom is why no session is opened beside another one.
var errNoRoom = errors.New("the server has no room for one more connection")

// leave gives back what enter took.
func (r *room) leave() {
	r.used--
	if r.freed != nil {
		close(r.freed)
		r.freed = nil
	}
}

func (s *Pool) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room.used++
}

func (s *Pool) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room.leave()
}

// end closes a session. The caller holds s.mu.
func (s *Pool) end(one *session) {
	one.close()
	s.room.ended = time.Now()
}

// hasRoom reports whether a session may be opened: the only one always may. The
// caller has entered.
func (s *Pool) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room.used == 1 || time.Since(s.room.full) >= fullFor
}

// awaitRoom makes or waits for room if that is what an attempt failed for, and
// reports whether another one is worth while.
func (s *Pool) awaitRoom(ctx context.Context, err error) bool {
	server, ok := errors.AsType[*pgconn.PgError](err)
	refused := ok && server.Code == "53300"
	if !refused && !errors.Is(err, errNoRoom) {
		return false
	}
	s.mu.Lock()
	r := &s.room
	if refused {
		r.full = time.Now()
		for _, one := range s.idle { // They are to other databases.
			s.end(one)
		}
		s.idle = nil
	}
	var freed chan struct{}
	var ending <-chan time.Time
	switch {
	case r.used > 0:
		if r.freed == nil {
			r.freed = make(chan struct{})
		}
		freed = r.freed
	case refused && time.Since(r.ended) < endingFor:
		ending = time.After(endingPause)
	}
	s.mu.Unlock()
	if freed == nil && ending == nil {
		return !refused // The session that was in the way has just been given back.
	}
	select {
	case <-freed:
	case <-ending:
	case <-ctx.Done():
		return false
	}
	return true
}
