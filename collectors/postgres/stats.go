package postgres

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// stats are the figures about a query that outlive its runs and reloads.
type stats struct {
	mu       sync.Mutex
	errors   map[Reason]int
	failing  Reason // of the last run, "" if it succeeded
	runs     int
	lastTook time.Duration // of the last run
	lastRows int
	lastRun  time.Time // that succeeded
}

func newStats() *stats { return &stats{errors: map[Reason]int{}} }

// took returns how long the last run took, 0 before the first.
func (s *stats) took() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastTook
}

// record counts one run and logs when the query begins or ceases to fail.
func (s *stats) record(out *outcome, name string, log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for reason, n := range out.problems {
		s.errors[reason] += n
	}
	s.runs++
	s.lastTook, s.lastRows = out.took, out.rows
	reason := ReasonOf(out.err)
	if reason != "" {
		s.errors[reason]++
	} else {
		s.lastRun = out.at
	}
	if reason == s.failing {
		return
	}
	if reason == "" {
		log.Info("query succeeds again", "query", name)
	} else {
		log.Warn("query fails", "query", name, "reason", string(reason), "err", publicError(out.err))
	}
	s.failing = reason
}

// forget makes as if the query had never run, but for its errors.
func (s *stats) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs, s.failing = 0, ""
}

// add counts problems that were found after the run.
func (s *stats) add(reason Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors[reason]++
}

// snapshot is a copy of the figures.
type snapshot struct {
	errors  map[Reason]int
	ran, ok bool
	took    time.Duration
	rows    int
	lastRun time.Time
}

func (s *stats) snapshot() snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return snapshot{
		errors: maps.Clone(s.errors), ran: s.runs > 0, ok: s.failing == "",
		took: s.lastTook, rows: s.lastRows, lastRun: s.lastRun,
	}
}

// publicError returns an error that is safe to log: messages of the server
// that may quote data are reduced to their code.
func publicError(err error) error {
	server, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if errors.Is(err, context.DeadlineExceeded) {
			return context.DeadlineExceeded
		}
		return err
	}
	for _, class := range []string{"08", "0A", "25", "28", "3D", "3F", "42", "53", "55", "57"} {
		if strings.HasPrefix(server.Code, class) {
			return err
		}
	}
	return errors.New("SQLSTATE " + server.Code)
}
