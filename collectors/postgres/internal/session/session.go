package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Field is a column of a result: its name and the OID of its type.
type Field struct {
	Name string
	OID  uint32
}

// session is one connection to a server. It is used by one goroutine at a
// time. It speaks the protocol itself, over the connection that pgconn opened:
// that bounds the rows on the server and costs no goroutine per statement.
type session struct {
	conn     *pgconn.PgConn
	front    *pgproto3.Frontend
	database string    // as asked for
	name     string    // of the database, never empty
	address  string    // host:port as configured
	since    time.Time // when it was opened
	idle     time.Time // when it was last used

	simple   bool          // the simple protocol is wanted
	pooled   bool          // behind a pooler that owns the session: settings go with each transaction
	console  bool          // the admin console of a pooler: no SQL, no transactions, the simple protocol
	settings string        // SQL that makes the settings for one transaction, if pooled
	limit    time.Duration // the statement_timeout in force

	statements    map[string]*prepared // by their SQL
	writable      bool                 // a pooler has dropped the settings
	inTransaction bool
	spoiled       bool // must not be used again
}

// prepared is a statement the server knows by name.
type prepared struct {
	name   string
	fields []Field
}

// maxStatements is how many statements a session prepares before it is
// replaced: reloads with ever new statements must not fill the server's memory.
const maxStatements = 256

// Statement is what a Querier runs: a single command that returns rows.
type Statement struct {
	Database string        // "": the one the target names
	SQL      string        // one command
	Args     []string      // the text forms of $1, $2 …
	MaxRows  int           // 0: no limit
	Timeout  time.Duration // 0: the session's statement_timeout
}

// Result is about the rows that were visited.
type Result struct {
	Fields    []Field
	Rows      int
	Truncated bool // there were more than MaxRows
}

var (
	// ErrNoColumns is what a statement that is no question ends with.
	ErrNoColumns = &collect.Error{Reason: ReasonSyntax, Err: errors.New("the statement returns no columns, only SELECT and its like do")}
	errConsole   = &collect.Error{Reason: ReasonReadOnly, Err: errors.New("the admin console of a pooler is only asked to SHOW")}
	errLost      = errors.New("the connection was lost")
)

// run executes a statement and calls visit for each row. The values are valid
// during the call only. On a server error the session stays usable; after any
// other one it must be closed, or drained if interrupted is true: then the
// context ended while the server was still at work.
func (s *session) run(ctx context.Context, st Statement, visit func(fields []Field, values [][]byte)) (result Result, interrupted bool, err error) {
	conn := s.conn.Conn()
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_ = conn.SetDeadline(time.Unix(1, 0)) // An error shows up in the read.
	})
	result, err = s.exchange(st, visit)
	if !stop() {
		<-woken
		_ = conn.SetDeadline(time.Time{})
	}
	_, fromServer := errors.AsType[*pgconn.PgError](err)
	_, own := errors.AsType[*collect.Error](err)
	switch {
	case err == nil || fromServer || own:
		return result, false, err
	case ctx.Err() != nil:
		s.spoiled = true // until drained
		return result, true, fmt.Errorf("statement stopped: %w", ctx.Err())
	}
	s.spoiled = true
	return result, false, fmt.Errorf("%w: %w", errLost, err)
}

// exchange sends one statement and reads the answer to its end.
func (s *session) exchange(st Statement, visit func([]Field, [][]byte)) (Result, error) {
	if err := s.ensureLimit(st.Timeout); err != nil {
		return Result{}, err
	}
	if s.console && !queryfile.IsShow(st.SQL) {
		return Result{}, errConsole
	}
	if s.simple || s.console {
		return s.exchangeSimple(st, visit)
	}
	if s.pooled {
		return s.exchangePooled(st, visit)
	}
	p, err := s.prepare(st.SQL)
	if err != nil {
		return Result{}, err
	}
	s.sendExecute(p.name, st.Args, st.MaxRows)
	s.front.SendSync(&pgproto3.Sync{})
	return s.answer(p.fields, st.MaxRows, 0, visit)
}

// ensureLimit raises the session's statement_timeout to what a statement needs.
func (s *session) ensureLimit(want time.Duration) error {
	if s.pooled || want <= s.limit {
		return nil
	}
	s.front.SendQuery(&pgproto3.Query{String: "SET statement_timeout = " + strconv.FormatInt(want.Milliseconds(), 10)})
	if _, err := s.answer(nil, 0, -1, nil); err != nil {
		return err
	}
	s.limit = want
	return nil
}

// prepare makes a statement known to the server, once. A statement that returns
// no rows is refused here and so never executed.
func (s *session) prepare(sql string) (*prepared, error) {
	p := s.statements[sql]
	if p == nil {
		var err error
		if p, err = s.parse(sql); err != nil {
			return nil, err
		}
	}
	if len(p.fields) == 0 {
		return nil, ErrNoColumns
	}
	return p, nil
}

func (s *session) parse(sql string) (*prepared, error) {
	p := &prepared{name: "q" + strconv.Itoa(len(s.statements)+1)}
	s.front.SendParse(&pgproto3.Parse{Name: p.name, Query: sql})
	s.front.SendDescribe(&pgproto3.Describe{ObjectType: 'S', Name: p.name})
	s.front.SendSync(&pgproto3.Sync{})
	result, err := s.answer(nil, 0, -1, nil)
	if err != nil {
		return nil, err
	}
	p.fields = result.Fields
	s.statements[sql] = p
	if len(s.statements) > maxStatements {
		s.spoiled = true
	}
	return p, nil
}

func (s *session) sendExecute(name string, args []string, maxRows int) {
	bind := &pgproto3.Bind{PreparedStatement: name}
	for _, a := range args {
		bind.Parameters = append(bind.Parameters, []byte(a))
	}
	s.front.SendBind(bind)
	if maxRows > 0 {
		maxRows++ // One more shows that there are more.
	}
	s.front.SendExecute(&pgproto3.Execute{MaxRows: uint32(maxRows)})
}

// exchangePooled wraps the statement in a transaction of its own, in one
// flight: behind a transaction pooler nothing else is sure to reach the same
// server, and nothing may stay behind on it.
func (s *session) exchangePooled(st Statement, visit func([]Field, [][]byte)) (Result, error) {
	for _, sql := range []string{"BEGIN READ ONLY", s.transactionSettings(st.Timeout)} {
		s.front.SendParse(&pgproto3.Parse{Query: sql})
		s.sendExecute("", nil, 0)
	}
	s.front.SendParse(&pgproto3.Parse{Query: st.SQL})
	s.front.SendDescribe(&pgproto3.Describe{ObjectType: 'S'})
	s.sendExecute("", st.Args, st.MaxRows)
	s.front.SendParse(&pgproto3.Parse{Query: "COMMIT"})
	s.sendExecute("", nil, 0)
	s.front.SendSync(&pgproto3.Sync{})
	result, err := s.answer(nil, st.MaxRows, 2, visit)
	if s.inTransaction {
		err = errors.Join(err, s.command("ROLLBACK"))
	}
	if err == nil && len(result.Fields) == 0 {
		err = ErrNoColumns
	}
	return result, err
}

// exchangeSimple uses the simple protocol, which would run several commands in
// one message. It refuses those, and cannot bound rows on the server: the ones
// too many are read and dropped.
func (s *session) exchangeSimple(st Statement, visit func([]Field, [][]byte)) (Result, error) {
	if len(st.Args) > 0 {
		return Result{}, &collect.Error{Reason: ReasonConfig, Err: errors.New("a cursor needs the extended protocol")}
	}
	if hasSeveralCommands(st.SQL) {
		return Result{}, &collect.Error{Reason: ReasonSyntax, Err: errors.New("several commands in one statement")}
	}
	if s.pooled && !s.console {
		for _, sql := range []string{"BEGIN READ ONLY", s.transactionSettings(st.Timeout)} {
			if err := s.command(sql); err != nil {
				return Result{}, err
			}
		}
	}
	s.front.SendQuery(&pgproto3.Query{String: st.SQL})
	result, err := s.answer(nil, st.MaxRows, 0, visit)
	if s.inTransaction {
		err = errors.Join(err, s.command("ROLLBACK"))
	}
	if err == nil && len(result.Fields) == 0 {
		err = ErrNoColumns
	}
	return result, err
}

func (s *session) transactionSettings(timeout time.Duration) string {
	limit := max(s.limit, timeout)
	return "SELECT set_config('statement_timeout', '" + strconv.FormatInt(limit.Milliseconds(), 10) + "', true)" + s.settings
}

// command runs a statement whose rows do not matter.
func (s *session) command(sql string) error {
	s.front.SendQuery(&pgproto3.Query{String: sql})
	_, err := s.answer(nil, 0, -1, nil)
	return err
}

// ping asks the server for a sign of life that costs it nothing, or a pooler, which
// would answer that itself, for a statement.
func (s *session) ping(deadline time.Time) error {
	conn := s.conn.Conn()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	switch {
	case s.console:
		s.front.SendQuery(&pgproto3.Query{String: "SHOW VERSION"})
	case s.pooled:
		s.front.SendQuery(&pgproto3.Query{String: "SELECT 1"})
	default:
		s.front.SendSync(&pgproto3.Sync{})
	}
	if _, err := s.answer(nil, 0, -1, nil); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// hasSeveralCommands reports whether text follows a semicolon that is outside
// of quotes. What it does not understand (comments in /* */, dollar quotes,
// escapes in E'…'), it takes for several commands.
func hasSeveralCommands(sql string) bool {
	rest := strings.TrimRight(strings.TrimSpace(sql), "; \t\r\n")
	escapes := strings.Contains(rest, `\`)
	for rest != "" {
		switch {
		case rest[0] == ';', rest[0] == '$', strings.HasPrefix(rest, "/*"),
			escapes && len(rest) > 1 && (rest[0] == 'E' || rest[0] == 'e') && rest[1] == '\'':
			return true
		case rest[0] == '\'' || rest[0] == '"':
			end := strings.IndexByte(rest[1:], rest[0])
			if end < 0 {
				return true
			}
			rest = rest[end+2:]
		case strings.HasPrefix(rest, "--"):
			_, rest, _ = strings.Cut(rest, "\n")
		default:
			rest = rest[1:]
		}
	}
	return false
}
