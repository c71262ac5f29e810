package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"
)

// conn is a connection of the driver itself: what database/sql does around each
// statement costs more than many of the statements. It serves one goroutine.
type conn struct {
	driver.Conn
	statements map[string]*statement
}

// statement is a prepared statement with room for its arguments.
type statement struct {
	driver.Stmt
	args []driver.NamedValue
	row  []driver.Value
}

func connect(dsn string) (*conn, error) {
	c, err := new(sqlite.Driver).Open(dsn)
	if err != nil {
		return nil, err
	}
	return &conn{c, map[string]*statement{}}, nil
}

// prepare returns the statement for a query, with its arguments bound.
func (c *conn) prepare(query string, args []any) (*statement, error) {
	s := c.statements[query]
	if s == nil {
		stmt, err := c.Prepare(query)
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, query)
		}
		s = &statement{Stmt: stmt}
		c.statements[query] = s
	}
	for len(s.args) < len(args) {
		s.args = append(s.args, driver.NamedValue{Ordinal: len(s.args) + 1})
	}
	s.args = s.args[:len(args)]
	for i, arg := range args {
		s.args[i].Value = arg
	}
	return s, nil
}

// exec runs a statement. Its arguments are int64, string, []byte or nil.
func (c *conn) exec(query string, args ...any) error {
	_, err := c.count(query, args...)
	return err
}

// count runs a statement and returns how many rows it changed.
func (c *conn) count(query string, args ...any) (int, error) {
	s, err := c.prepare(query, args)
	if err != nil {
		return 0, err
	}
	result, err := s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), s.args)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// query calls visit with each row of a query. The row is reused.
func (c *conn) query(visit func(row []driver.Value) error, query string, args ...any) error {
	s, err := c.prepare(query, args)
	if err != nil {
		return err
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.args)
	if err != nil {
		return err
	}
	if s.row == nil {
		s.row = make([]driver.Value, len(rows.Columns()))
	}
	for err == nil {
		if err = rows.Next(s.row); err == nil {
			err = visit(s.row)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, rows.Close())
}

// forget closes the statement for a query.
func (c *conn) forget(query string) {
	if s := c.statements[query]; s != nil {
		_ = s.Close() // It only reads.
		delete(c.statements, query)
	}
}

// number returns the first column of the only row of a query.
func (c *conn) number(query string, args ...any) (n int64, err error) {
	err = c.query(func(row []driver.Value) error {
		n, _ = row[0].(int64)
		return nil
	}, query, args...)
	return n, err
}

// close closes the statements and the connection.
func (c *conn) close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.Conn.Close())...)
}
