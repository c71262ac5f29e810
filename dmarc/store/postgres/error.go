package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// explain adds to an error what an operator can do.
func (d *database) explain(doing string, err error) error {
	var known *store.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, store.ErrConflict) || errors.Is(err, context.Canceled) {
		return err
	}
	e := &store.Error{Name: d.Name(), Doing: doing, Err: err}
	var (
		server  *pgconn.PgError
		connect *pgconn.ConnectError
		network net.Error
	)
	switch {
	case errors.Is(err, store.ErrLocked):
		e.Advice = "stop the other process, let both share it, or give each a schema of its own"
	case errors.As(err, &server):
		return d.explainServer(e, server)
	case errors.As(err, &connect), errors.As(err, &network), d.writer != nil && d.writer.IsClosed():
		e.Err, e.Advice = fmt.Errorf("%w: %w", store.ErrUnavailable, &oneLine{err}), "start the server, and check its address"
	}
	return e
}

// explainServer explains what the server said, by its code: see appendix A of
// the manual of PostgreSQL.
func (d *database) explainServer(e *store.Error, server *pgconn.PgError) error {
	class := server.Code[:min(2, len(server.Code))]
	switch {
	case server.Code == "23505": // unique_violation
		return fmt.Errorf("%w: %w", store.ErrConflict, e.Err)
	case server.Code == "53100": // disk_full
		e.Err, e.Advice = fmt.Errorf("%w: %w", store.ErrFull, e.Err), "make room on the disk of the server"
	case server.Code == "25006": // read_only_sql_transaction
		e.Err, e.Advice = fmt.Errorf("%w: %w", store.ErrReadOnly, e.Err), "connect to the primary server"
	case server.Code == "42501": // insufficient_privilege
		e.Advice = "let the user create and write the schema " + d.schema
	case server.Code == "55P03": // lock_not_available
		return d.explain(e.Doing, store.ErrLocked)
	case class == "28", server.Code == "3D000": // invalid_authorization_specification, invalid_catalog_name
		e.Advice = "check the user, the password and the name of the database"
	case class == "XX", server.Code == "42P01", server.Code == "42703": // internal_error, undefined_table, undefined_column
		return store.Damaged(d.Name(), "%w", e.Err)
	case class == "08", class == "53", class == "57": // connection_exception, insufficient_resources, operator_intervention
		e.Err, e.Advice = fmt.Errorf("%w: %w", store.ErrUnavailable, e.Err), "start the server"
	}
	return e
}

// oneLine writes an error of pgx, which has a line for each address that was
// tried, and for some of them two, on one line.
type oneLine struct{ error }

// Error returns each line once.
func (e *oneLine) Error() string {
	var lines []string
	for line := range strings.Lines(e.error.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// Unwrap returns the error.
func (e *oneLine) Unwrap() error { return e.error }
