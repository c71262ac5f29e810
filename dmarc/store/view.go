package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// View is what was committed when it was opened, for reading: a snapshot of a
// database that another process may write meanwhile. Close it soon: until then
// the database keeps what is deleted.
type View struct {
	config ViewConfig
	only   string // JSON of the domains that Only left; empty: all
}

// ViewConfig is what an engine makes a View of.
type ViewConfig struct {
	Name string
	// Tx is a transaction that reads one snapshot. Parameters are $1, $2 and so on.
	Tx *sql.Tx
	// Schema is what the names of tables begin with when something else has the
	// same name, and Texts a query for the texts in a JSON list, the parameter %s.
	Schema, Texts string
	// Integrity is the engine's own check: what it finds wrong, and what it could not look at.
	Integrity func(ctx context.Context) (problems, notes []string, err error)
	// Explain adds to an error of the driver what an operator can do.
	Explain func(doing string, err error) error
	// Close closes what Tx is of.
	Close func() error
}

// NewView makes a View of what an engine opened.
func NewView(c ViewConfig) *View { return &View{config: c} }

// Name names the database in errors.
func (v *View) Name() string { return v.config.Name }

// Close ends the snapshot.
func (v *View) Close() error {
	return errors.Join(v.config.Tx.Rollback(), v.config.Close()) // It wrote nothing.
}

// Query calls visit with the values of each row of a query: strings, int64s,
// byte slices or nil. They are valid until visit returns.
func (v *View) Query(ctx context.Context, visit func(row []any) error, query string, args ...any) error {
	if v.only != "" {
		args = append(slices.Clone(args), v.only)
		query = v.narrow(len(args)) + query
	}
	if trace, ok := ctx.Value(traceKey{}).(func(string, []any)); ok {
		trace(query, args)
	}
	return v.explain(ctx, eachRow(ctx, v.config.Tx, visit, query, args...))
}

type traceKey struct{}

// WithTrace returns a context in which f is called with each query of a View
// before it runs, to find out how the database answers it.
func WithTrace(ctx context.Context, f func(query string, args []any)) context.Context {
	return context.WithValue(ctx, traceKey{}, f)
}

// sqlQuerier is a transaction or a handle for reading.
type sqlQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// visitError is an error of who visits rows, not of the database.
type visitError struct{ error }

func (e visitError) Unwrap() error { return e.error }

// eachRow calls visit with the values of each row of a query.
func eachRow(ctx context.Context, q sqlQuerier, visit func(row []any) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	row, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		places[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		if err := visit(row); err != nil {
			return visitError{err}
		}
	}
	return rows.Err()
}

// Rows visits the rows of a table.
func (v *View) Rows(ctx context.Context, table *Table, visit func(row []any) error) error {
	// What is read is kept.
	return v.Query(ctx, func(row []any) error { return visit(slices.Clone(row)) },
		fmt.Sprintf("SELECT %s, guard FROM %s", strings.Join(table.Columns, ", "), table.Name))
}

func (v *View) explain(ctx context.Context, err error) error {
	var visited visitError
	switch {
	case errors.As(err, &visited):
		return visited.error
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	}
	return v.config.Explain("read", err)
}

// OldVersion makes an *Error for a database called name that an older version
// wrote, and that is not brought up to date because it is only read.
func OldVersion(name string) error {
	return &Error{
		Name: name, Doing: "read", Err: ErrOlder, Advice: "start serve once, which brings it up to date",
	}
}
