package session

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Job is a statement of a batch and what became of it.
type Job struct {
	Statement Statement
	Visit     func(fields []Field, values [][]byte)

	Answered bool
	Result   Result
	Err      error
	Took     time.Duration
}

// Batch runs the statements of jobs in the target's own database, all sent at
// once, which saves the time between them. Those that were not answered within
// stall of the one before are left for another attempt.
func (s *Pool) Batch(ctx context.Context, jobs []*Job, stall time.Duration) {
	one, _, err := s.acquire(ctx, "", false, trusted)
	if err != nil {
		return
	}
	if one.simple || one.pooled {
		s.release(one)
		return
	}
	if waiting := one.runBatch(ctx, jobs, stall); waiting > 0 {
		s.drain(one, waiting)
		return
	}
	s.release(one)
}

// runBatch sends all jobs and reads the answers. If the server stalls, the
// session has still to be drained of the number of answers it returns. Jobs
// whose answer was not read to its end are left unanswered.
func (s *session) runBatch(ctx context.Context, jobs []*Job, stall time.Duration) (waiting int) {
	conn := s.conn.Conn()
	prepared := jobs[:0:0]
	for _, j := range jobs {
		began := time.Now()
		_ = conn.SetDeadline(earliest(ctx, stall)) // A failure shows up in the read.
		_, err := s.prepare(j.Statement.SQL)
		switch {
		case err == nil:
			prepared = append(prepared, j)
		case !inStep(err) || isStale(err):
			s.spoiled = true // The other attempt reports the error.
			return 0
		default: // The statement is wrong, the session is not.
			j.Answered, j.Err, j.Took = true, err, time.Since(began)
		}
	}
	return s.runPrepared(ctx, prepared, stall)
}

// inStep reports whether a session is still in step with the server after an
// error: one of the server itself, or of this package about its answer.
func inStep(err error) bool { return is[*pgconn.PgError](err) || is[*collect.Error](err) }

// runPrepared is runBatch for statements that the server knows.
func (s *session) runPrepared(ctx context.Context, jobs []*Job, stall time.Duration) (waiting int) {
	conn := s.conn.Conn()
	for _, j := range jobs {
		s.sendExecute(s.statements[j.Statement.SQL].name, nil, j.Statement.MaxRows)
		s.front.SendSync(&pgproto3.Sync{})
	}
	last := time.Now()
	for i, j := range jobs {
		_ = conn.SetDeadline(earliest(ctx, stall))
		result, err := s.answer(s.statements[j.Statement.SQL].fields, j.Statement.MaxRows, 0, j.Visit)
		_, fromServer := errors.AsType[*pgconn.PgError](err)
		switch {
		case err != nil && ReasonOf(err) == collect.Timeout && !fromServer:
			s.spoiled = true // until drained
			return len(jobs) - i
		case err != nil && !fromServer:
			s.spoiled = true
			return 0
		case isStale(err):
			s.spoiled = true
			continue
		}
		now := time.Now()
		j.Answered, j.Result, j.Err, j.Took = true, result, err, now.Sub(last)
		last = now
	}
	_ = conn.SetDeadline(time.Time{})
	return 0
}

// earliest returns the end of a wait that starts now, within the deadline of ctx.
func earliest(ctx context.Context, wait time.Duration) time.Time {
	end := time.Now().Add(wait)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		return deadline
	}
	return end
}
