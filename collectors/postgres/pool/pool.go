package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

const (
	statementTimeout = 30 * time.Second
	lockTimeout      = time.Second
)

// Querier is a postgres.Querier over a pool. Each statement has a transaction of
// its own that cannot write, with a timeout of 30 s, or that of the statement, and
// a second for locks; no setting of a connection is changed for good. A statement
// that a deadline interrupts costs the pool the connection, and rows beyond
// MaxRows are read and dropped: postgres.Sessions does both more cheaply, and is
// the way to more than one database. Its methods are safe for concurrent use.
type Querier struct{ pool *pgxpool.Pool }

// New returns a Querier over a pool, which the caller closes.
func New(pool *pgxpool.Pool) *Querier { return &Querier{pool} }

var _ postgres.Querier = (*Querier)(nil)

// errNoColumns is what a statement that is no question ends with.
var errNoColumns = &collect.Error{Reason: postgres.ReasonSyntax, Err: errors.New("the statement returns no columns, only SELECT and its like do")}

// Server returns who answers. Of databases it knows "" and the pool's.
func (q *Querier) Server(ctx context.Context, database string) (postgres.Server, error) {
	conn, err := q.acquire(ctx, database)
	if err != nil {
		return postgres.Server{}, err
	}
	defer conn.Release()
	server := postgres.Server{Address: address(q.pool)}
	if err := conn.QueryRow(ctx, "SELECT current_database()").Scan(&server.Database); err != nil {
		return postgres.Server{}, err
	}
	if server.Version, err = queryfile.ParseVersion(conn.Conn().PgConn().ParameterStatus("server_version")); err != nil {
		return postgres.Server{}, &collect.Error{Reason: collect.Protocol, Err: err}
	}
	return server, nil
}

// Query runs a statement and visits its rows, whose values are valid during the
// visit only.
func (q *Querier) Query(ctx context.Context, st postgres.Statement, visit func(fields []postgres.Field, values [][]byte)) (postgres.Result, error) {
	conn, err := q.acquire(ctx, st.Database)
	if err != nil {
		return postgres.Result{}, err
	}
	defer conn.Release()
	session := conn.Conn().PgConn()
	if err := session.Exec(ctx, begin(st.Timeout)).Close(); err != nil {
		return postgres.Result{}, err
	}
	result, err := ask(ctx, session, st, visit)
	if end := session.Exec(ctx, "ROLLBACK").Close(); err == nil {
		err = end
	}
	return result, err
}

// begin is SQL that begins a transaction in which values have the forms that a
// collector reads.
func begin(timeout time.Duration) string {
	sql := "BEGIN READ ONLY"
	for _, setting := range [][2]string{
		{"statement_timeout", strconv.FormatInt(max(timeout, statementTimeout).Milliseconds(), 10)},
		{"lock_timeout", strconv.FormatInt(lockTimeout.Milliseconds(), 10)},
		{"extra_float_digits", "3"},
		{"client_encoding", "'UTF8'"},
		{"DateStyle", "'ISO'"},
		{"IntervalStyle", "'postgres'"},
		{"TimeZone", "'UTC'"},
	} {
		sql += "; SET LOCAL " + setting[0] + " = " + setting[1]
	}
	return sql
}

// ask runs a statement in the transaction that has begun.
func ask(ctx context.Context, session *pgconn.PgConn, st postgres.Statement, visit func([]postgres.Field, [][]byte)) (postgres.Result, error) {
	args := make([][]byte, len(st.Args))
	for i, a := range st.Args {
		args[i] = []byte(a)
	}
	var result postgres.Result
	rows := session.ExecParams(ctx, st.SQL, args, nil, nil, nil)
	for _, f := range rows.FieldDescriptions() {
		result.Fields = append(result.Fields, postgres.Field{Name: f.Name, OID: f.DataTypeOID})
	}
	for rows.NextRow() {
		if st.MaxRows > 0 && result.Rows == st.MaxRows {
			result.Truncated = true
			continue
		}
		result.Rows++
		visit(result.Fields, rows.Values())
	}
	_, err := rows.Close()
	if err == nil && len(result.Fields) == 0 {
		err = errNoColumns
	}
	return result, err
}

// acquire takes a connection to a database out of the pool.
func (q *Querier) acquire(ctx context.Context, database string) (*pgxpool.Conn, error) {
	if own := q.pool.Config().ConnConfig.Database; database != "" && database != own {
		return nil, &collect.Error{Reason: postgres.ReasonConfig, Err: fmt.Errorf("the pool is for the database %q, not for %q", own, database)}
	}
	conn, err := q.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("take a connection out of the pool: %w", err)
	}
	return conn, nil
}

// address returns host:port as configured.
func address(pool *pgxpool.Pool) string {
	config := pool.Config().ConnConfig
	return net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
}
