package postgres

import (
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/internal/session"
)

// stats are the figures about a query that outlive its runs and reloads.
type stats struct {
	mu       sync.Mutex
	errors   map[Reason]int
	failing  Reason // of the last run, "" if it succeeded
	logged   bool   // that it fails
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

// record counts one run and logs when the query begins or ceases to fail, unless the
// server is away, which is logged once and not for each query.
func (s *stats) record(out *outcome, name string, away bool, log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for reason, n := range out.problems {
		if n > 0 { // Rows that are counted are duplicates on purpose.
			s.errors[reason] += n
		}
	}
	s.runs++
	s.lastTook, s.lastRows = out.took, out.rows
	reason := ReasonOf(out.err)
	if reason != "" {
		s.errors[reason]++
	} else {
		s.lastRun = out.at
	}
	changed := reason != s.failing
	s.failing = reason
	switch {
	case reason != "" && (away || !changed):
	case reason != "":
		s.logged = true
		log.Warn("query fails", "query", name, "reason", string(reason), "err", session.Public(out.err))
	case s.logged:
		s.logged = false
		log.Info("query succeeds again", "query", name)
	}
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
