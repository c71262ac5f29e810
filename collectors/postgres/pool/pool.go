package pool

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/internal/session"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Querier is a postgres.Querier over a pool. Each statement has a transaction of
// its own that cannot write, with a timeout of 30 s, or that of the statement, and
// a second for locks; no setting of a connection is changed for good. A statement
// that a deadline interrupts costs the pool the connection, and rows beyond
// MaxRows are read and dropped: postgres.Sessions does both more cheaply, and is
// the way to more than one database. Its methods are safe for concurrent use.
type Querier struct {
	pool     *pgxpool.Pool
	database string // as configured
	address  string // host:port as configured
}

// New returns a Querier over a pool, which the caller closes.
func New(pool *pgxpool.Pool) *Querier {
	config := pool.Config().ConnConfig
	return &Querier{pool, config.Database, net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))}
}

var _ postgres.Querier = (*Querier)(nil)

// Server returns who answers. Of databases it knows "" and the pool's.
func (q *Querier) Server(ctx context.Context, database string) (postgres.Server, error) {
	conn, err := q.acquire(ctx, database)
	if err != nil {
		return postgres.Server{}, err
	}
	defer conn.Release()
	server := postgres.Server{Address: q.address}
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
	server := conn.Conn().PgConn()
	if err := server.Exec(ctx, session.BeginReading(st.Timeout)).Close(); err != nil {
		return postgres.Result{}, err
	}
	result, err := ask(ctx, server, st, visit)
	if end := server.Exec(ctx, "ROLLBACK").Close(); err == nil {
		err = end
	}
	return result, err
}

// ask runs a statement in the transaction that has begun.
func ask(ctx context.Context, server *pgconn.PgConn, st postgres.Statement, visit func([]postgres.Field, [][]byte)) (postgres.Result, error) {
	args := make([][]byte, len(st.Args))
	for i, a := range st.Args {
		args[i] = []byte(a)
	}
	var result postgres.Result
	rows := server.ExecParams(ctx, st.SQL, args, nil, nil, nil)
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
		err = session.ErrNoColumns
	}
	return result, err
}

// acquire takes a connection to a database out of the pool.
func (q *Querier) acquire(ctx context.Context, database string) (*pgxpool.Conn, error) {
	if database != "" && database != q.database {
		return nil, &collect.Error{Reason: postgres.ReasonConfig, Err: fmt.Errorf("the pool is for the database %q, not for %q", q.database, database)}
	}
	conn, err := q.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("take a connection out of the pool: %w", err)
	}
	return conn, nil
}
