package postgres

import (
	"context"
	"time"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/internal/session"
)

// Querier runs statements on one server. *Sessions is the one for real servers.
// Its methods may be called concurrently.
type Querier interface {
	// Server returns who answers on the way to a database, "" being the one the
	// target names. It fails unless there was a sign of life just now.
	Server(ctx context.Context, database string) (Server, error)
	// Query runs a statement and visits its rows, whose values are valid during
	// the visit only. It returns soon after ctx has ended.
	Query(ctx context.Context, st Statement, visit func(fields []Field, values [][]byte)) (Result, error)
}

// Server is who answered: its Address (host:port), the Database of the session,
// never empty, the Version, and whether it is the admin Console of PgBouncer.
type Server = session.Server

// Statement is a single command that returns rows: the Database to run in, ""
// being the one the target names; the SQL; the text forms of its Args $1, $2 …;
// MaxRows, 0 for no limit; and a Timeout, 0 for that of the session.
type Statement = session.Statement

// Result is about the rows that were visited: their Fields, the number of Rows,
// and whether they were Truncated to MaxRows.
type Result = session.Result

// Field is a column of a result: its Name and the OID of its type.
type Field = session.Field

// Sessions is a small pool of read-only sessions to one server. They are opened
// when needed and kept; one that died is replaced. It is a Querier, its methods
// are safe for concurrent use, and Close ends it.
type Sessions = session.Pool

// SessionsConfig holds what all sessions to a server have in common. Its zero
// value works: Max connections at the same time (3), StatementTimeout (30 s) and
// LockTimeout (1 s) on the server, a Lifetime (1 h), an ApplicationName
// (postgres_queries_exporter), and whether to use the Simple protocol.
type SessionsConfig = session.Config

// Source returns the settings of the next session. It is called for every new
// one, so that a rotated password or a moved server is picked up; it must be
// safe for concurrent use. The configuration comes from pgconn.ParseConfig and
// may be changed by the caller.
type Source = session.Source

// SourceOf returns a Source of connection strings: get returns the one for the next
// session, a URI or keywords of libpq. Errors tell what is wrong with it and never repeat
// it, since it may hold a password.
func SourceOf(get func() (string, error)) Source { return session.SourceOf(get) }

// Open returns the sessions to the server that source names. No connection is
// made yet.
func Open(source Source, config SessionsConfig) *Sessions { return session.Open(source, config) }

// batcher is a Querier that can send several statements at once, which saves
// the time between them. *Sessions is one.
type batcher interface {
	Batch(ctx context.Context, jobs []*session.Job, stall time.Duration)
}

var _ batcher = (*Sessions)(nil)
