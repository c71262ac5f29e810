package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Source returns the settings of the next session. It is called for every new
// one, so that a rotated password or a moved server is picked up; it must be
// safe for concurrent use. The configuration comes from pgconn.ParseConfig and
// may be changed by the caller.
type Source func(ctx context.Context) (*pgconn.Config, error)

// Config holds what all sessions to a server have in common. Its zero
// value works.
type Config struct {
	Max              int           // connections at the same time, those that cancel included; 0: 3, 1: 2
	StatementTimeout time.Duration // on the server, for what outlives its scrape; 0: 30 s
	LockTimeout      time.Duration // on the server; 0: 1 s
	Lifetime         time.Duration // after which a session is replaced; 0: 1 h
	ApplicationName  string        // "": postgres_queries_exporter
	Simple           bool          // use the simple protocol
}

func (c Config) withDefaults() Config {
	setDefault := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	setDefault(&c.StatementTimeout, 30*time.Second)
	setDefault(&c.LockTimeout, time.Second)
	setDefault(&c.Lifetime, time.Hour)
	if c.Max <= 0 {
		c.Max = 3
	}
	c.Max = max(c.Max, 2) // or nothing could be cancelled
	if c.ApplicationName == "" {
		c.ApplicationName = "postgres_queries_exporter"
	}
	return c
}

// Server is who answered.
type Server struct {
	Address  string // host:port as configured
	Database string // the one the session is in
	Version  queryfile.Version
	Console  bool // it is the admin console of PgBouncer, and the version is that one's
}

// Pool is a small pool of read-only sessions to one server. They are
// opened when needed and kept; one that died is replaced. Its methods are safe
// for concurrent use.
type Pool struct {
	source  Source
	config  Config
	permits chan struct{} // one for each session in use and each cancellation

	mu     sync.Mutex
	idle   []*session // the most recently used last
	room   room
	pooled bool // the server refused settings at the start
	closed bool
	work   sync.WaitGroup // drains
}

// Open returns the sessions to the server that source names. No connection is
// made yet.
func Open(source Source, config Config) *Pool {
	config = config.withDefaults()
	return &Pool{source: source, config: config, permits: make(chan struct{}, config.Max)}
}

// Close ends all sessions and waits for statements that are being cancelled.
// Pool in use end when they are given back.
func (s *Pool) Close() {
	s.mu.Lock()
	s.closed = true
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()
	for _, one := range idle {
		one.close()
	}
	s.work.Wait()
}

// Server returns who answers on the way to a database, "" being the one the
// target names. It always asks the server: pg_up is what it answers.
func (s *Pool) Server(ctx context.Context, database string) (Server, error) {
	one, reused, err := s.acquire(ctx, database, false, 0)
	if err != nil {
		return Server{}, err
	}
	defer s.release(one)
	if one.pooled && !reused { // The pooler has answered so far.
		conn := one.conn.Conn()
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // A pooler may let it wait for long.
		err := one.ping(earliest(ctx, s.config.StatementTimeout))
		if !stop() {
			err = ctx.Err()
		}
		if err != nil {
			one.spoiled = true
			return Server{}, err
		}
	}
	version, err := queryfile.ParseVersion(one.conn.ParameterStatus("server_version"))
	if err != nil {
		return Server{}, &collect.Error{Reason: collect.Protocol, Err: err}
	}
	return Server{Address: one.address, Database: one.name, Version: version, Console: one.console}, nil
}

// Query runs a statement and visits its rows, whose values are valid during the
// visit only. It returns soon after ctx has ended. A statement whose session turns out to be dead
// before the first row is run again, once, on a new one.
func (s *Pool) Query(ctx context.Context, st Statement, visit func(fields []Field, values [][]byte)) (Result, error) {
	result, err, again := s.query(ctx, st, false, visit)
	if again {
		result, err, _ = s.query(ctx, st, true, visit)
	}
	return result, err
}

func (s *Pool) query(ctx context.Context, st Statement, fresh bool, visit func(fields []Field, values [][]byte)) (result Result, err error, again bool) {
	one, reused, err := s.acquire(ctx, st.Database, fresh, trusted)
	if err != nil {
		return Result{}, err, false
	}
	result, interrupted, err := one.run(ctx, st, visit)
	if interrupted {
		s.drain(one, 1)
		return result, err, false
	}
	stale := isStale(err)
	one.spoiled = one.spoiled || stale
	s.release(one)
	return result, err, stale && reused && result.Rows == 0
}

// isStale reports whether err blames the session, not the statement.
func isStale(err error) bool {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch server.Code {
		case "0A000": // "cached plan must not change result type" has no code of its own.
			return server.Routine == "RevalidateCachedQuery"
		case "26000": // somebody deallocated the statement
			return true
		}
		return strings.HasPrefix(server.Code, "57P")
	}
	return errors.Is(err, errLost) && ReasonOf(err) == collect.Reset
}

// trusted is how long a session may rest before it must show to a query that it
// lives.
const trusted = 100 * time.Millisecond

// acquire returns a session to a database that was alive less than rest ago,
// and whether it was used before; never if it must be fresh.
func (s *Pool) acquire(ctx context.Context, database string, fresh bool, rest time.Duration) (one *session, reused bool, err error) {
	for {
		select {
		case s.permits <- struct{}{}:
		case <-ctx.Done():
			return nil, false, fmt.Errorf("waiting for a session: %w", ctx.Err())
		}
		one, reused, err = s.reuseOrOpen(ctx, database, fresh, rest)
		if err == nil {
			return one, reused, nil
		}
		<-s.permits
		if !s.awaitRoom(ctx, err) {
			return nil, false, err
		}
	}
}

// reuseOrOpen is acquire for a caller that has a permit.
func (s *Pool) reuseOrOpen(ctx context.Context, database string, fresh bool, rest time.Duration) (one *session, reused bool, err error) {
	s.enter()
	for {
		one := s.take(database)
		if one == nil {
			break
		}
		if !fresh && time.Since(one.since) < s.config.Lifetime && s.alive(ctx, one, rest) {
			return one, true, nil
		}
		s.mu.Lock()
		s.end(one)
		s.mu.Unlock()
	}
	if s.hasRoom() {
		one, err = s.open(ctx, database)
	} else {
		err = errNoRoom
	}
	if err != nil {
		s.leave()
		return nil, false, err
	}
	return one, false, nil
}

// take removes and returns an idle session to a database. Without one it makes
// sure that one more may be opened.
func (s *Pool) take(database string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, one := range slices.Backward(s.idle) {
		if one.database == database {
			s.idle = slices.Delete(s.idle, i, i+1)
			return one
		}
	}
	s.trim()
	return nil
}

// trim closes idle sessions that are too many beside those in use. The caller
// holds s.mu.
func (s *Pool) trim() {
	for len(s.idle) > 0 && len(s.idle)+len(s.permits) > s.config.Max {
		s.end(s.idle[0])
		s.idle = slices.Delete(s.idle, 0, 1)
	}
}

// alive asks a session that was not used within rest for a sign of life. It
// spends a quarter of the time left on that and keeps the others for opening
// another one.
func (s *Pool) alive(ctx context.Context, one *session, rest time.Duration) bool {
	if time.Since(one.idle) < rest {
		return true
	}
	wait := time.Second
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)/4)
	}
	return one.ping(time.Now().Add(wait)) == nil && !one.spoiled
}

// release gives a session back.
func (s *Pool) release(one *session) {
	one.idle = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.spoiled || s.closed {
		s.end(one) // before another one may be opened
	} else {
		s.idle = append(s.idle, one)
	}
	s.room.leave()
	<-s.permits
}

// drainTimeout bounds how long a cancelled statement may take to stop.
const drainTimeout = time.Second

// drain cancels what a session is doing and gives it back once it has answered
// the given number of statements, without the caller having to wait. If that
// fails the session is closed, and its statement_timeout ends the statement.
func (s *Pool) drain(one *session, statements int) {
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		select {
		case s.permits <- struct{}{}: // A cancellation is a connection, too.
			s.mu.Lock()
			s.trim()
			s.mu.Unlock()
			if err := one.conn.CancelRequest(ctx); err == nil && one.drain(ctx, statements) == nil {
				one.spoiled = one.inTransaction
			}
			<-s.permits
		case <-ctx.Done():
		}
		s.release(one)
	})
}
