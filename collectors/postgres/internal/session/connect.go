package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// open connects to a database.
func (s *Pool) open(ctx context.Context, database string) (*session, error) {
	s.mu.Lock()
	pooled := s.pooled
	s.mu.Unlock()
	one, err := s.connect(ctx, database, pooled)
	if err == nil && !pooled && one.writable {
		// A pooler has accepted the settings and dropped them.
		one.close()
		err = errWritable
	}
	server, ok := errors.AsType[*pgconn.PgError](err)
	refused := ok && server.Code == "08P01" && strings.Contains(server.Message, "startup parameter")
	if pooled || !refused && !errors.Is(err, errWritable) {
		return one, err
	}
	one, err = s.connect(ctx, database, true)
	if err == nil {
		s.mu.Lock()
		s.pooled = true
		s.mu.Unlock()
	}
	return one, err
}

var errWritable = errors.New("the session is not read-only")

// connect opens a session, pooled meaning one that leaves the server's
// settings alone.
func (s *Pool) connect(ctx context.Context, database string, pooled bool) (*session, error) {
	config, err := s.source(ctx)
	if err != nil {
		return nil, &collect.Error{Reason: ReasonConfig, Err: fmt.Errorf("connection settings: %w", err)}
	}
	passfile := config.RuntimeParams["passfile"]
	delete(config.RuntimeParams, "passfile")
	lookedUp := isLookedUp(config, passfile)
	if database != "" {
		config.Database = database
	}
	config.MaxProtocolMessageBodyLen = maxMessage
	config.ValidateConnect = byRole(config.ValidateConnect)
	who := newHosts(ctx, config)
	if lookedUp {
		who.usePassfile(config, passfile)
	}
	transaction := s.settings(config, pooled)
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	one := &session{
		conn: conn, front: conn.Frontend(), database: database, name: cmp.Or(config.Database, config.User), address: who.of(conn.Conn().RemoteAddr()).String(),
		since: time.Now(), idle: time.Now(), limit: s.config.StatementTimeout,
		simple: s.config.Simple, pooled: pooled, settings: transaction, statements: map[string]*prepared{},
	}
	if err := one.prepareUse(ctx); err != nil {
		one.close()
		return nil, err
	}
	return one, nil
}

// prepareUse finds out what is special about the server.
func (s *session) prepareUse(ctx context.Context) error {
	if isConsole(s.conn) {
		s.console, s.pooled = true, true
		return nil
	}
	// Such a database holds bytes of any kind. Asked for UTF-8 the server would
	// fail over the first text that is none.
	if s.conn.ParameterStatus("server_encoding") == "SQL_ASCII" {
		if s.pooled {
			s.settings += ", set_config('client_encoding', 'SQL_ASCII', true)"
		} else if _, _, err := s.run(ctx, Statement{SQL: "SELECT set_config('client_encoding', 'SQL_ASCII', false)"}, func([]Field, [][]byte) {}); err != nil {
			return err
		}
		s.spoiled = false
	}
	if s.pooled {
		return nil
	}
	var err error
	s.writable, err = s.isWritable(ctx)
	return err
}

// isConsole reports whether it is the admin console of PgBouncer that has answered.
func isConsole(conn *pgconn.PgConn) bool {
	return strings.HasSuffix(conn.ParameterStatus("server_version"), "/bouncer")
}

// maxMessage bounds a message of the server, and with it a row, in bytes.
const maxMessage = 16 << 20

// settings puts the settings of a session into config. Those of a pooled one
// are returned as SQL that makes them for one transaction.
func (s *Pool) settings(config *pgconn.Config, pooled bool) string {
	want := map[string]string{
		"application_name":   s.config.ApplicationName,
		"statement_timeout":  strconv.FormatInt(s.config.StatementTimeout.Milliseconds(), 10),
		"lock_timeout":       strconv.FormatInt(s.config.LockTimeout.Milliseconds(), 10),
		"extra_float_digits": floatDigits,
	}
	maps.Copy(want, config.RuntimeParams)
	want["default_transaction_read_only"] = "on" // whoever wants something else
	maps.Copy(want, forms())
	if !pooled {
		config.RuntimeParams = want
		return ""
	}
	config.RuntimeParams = map[string]string{"application_name": want["application_name"]}
	var sql strings.Builder
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch name {
		case "options":
			config.RuntimeParams[name] = want[name]
		case "application_name", "statement_timeout", "default_transaction_read_only":
		default:
			fmt.Fprintf(&sql, ", set_config(%s, %s, true)", Quote(name), Quote(want[name]))
		}
	}
	return sql.String()
}

// forms are settings that are not for the user to choose: what is read depends on
// them.
func forms() map[string]string {
	return map[string]string{"client_encoding": "UTF8", "DateStyle": "ISO", "IntervalStyle": "postgres", "TimeZone": "UTC"}
}

// BeginReading returns SQL that begins a transaction as a session of its own would
// be: nothing can be written, limits hold, and values have the forms that are read.
func BeginReading(timeout time.Duration) string {
	limits := Config{}.withDefaults()
	want := forms()
	want["statement_timeout"] = strconv.FormatInt(max(timeout, limits.StatementTimeout).Milliseconds(), 10)
	want["lock_timeout"] = strconv.FormatInt(limits.LockTimeout.Milliseconds(), 10)
	want["extra_float_digits"] = floatDigits
	sql := "BEGIN READ ONLY"
	for _, name := range slices.Sorted(maps.Keys(want)) {
		sql += "; SET LOCAL " + name + " = " + Quote(want[name])
	}
	return sql
}

// floatDigits is extra_float_digits: all digits on servers before 12, too.
const floatDigits = "3"

// Quote returns s as an SQL literal.
func Quote(s string) string {
	s = strings.ReplaceAll(s, "'", "''")
	if strings.Contains(s, `\`) {
		return ` E'` + strings.ReplaceAll(s, `\`, `\\`) + `'`
	}
	return `'` + s + `'`
}

// isWritable reports whether the session would let a statement write.
func (s *session) isWritable(ctx context.Context) (bool, error) {
	status := s.conn.ParameterStatus("default_transaction_read_only")
	if status == "" { // not reported before version 14
		show := Statement{SQL: "SHOW default_transaction_read_only"}
		_, _, err := s.run(ctx, show, func(_ []Field, values [][]byte) { status = string(values[0]) })
		if err != nil {
			return false, err
		}
	}
	return status != "on", nil
}

// drain reads what is left of the answers to a number of statements. ctx has a
// deadline.
func (s *session) drain(ctx context.Context, statements int) error {
	conn := s.conn.Conn()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	for range statements {
		if _, err := s.answer(nil, 0, -1, nil); err != nil {
			if _, ok := errors.AsType[*pgconn.PgError](err); !ok {
				return err
			}
		}
	}
	return conn.SetDeadline(time.Time{})
}

// close ends the session and closes the connection.
func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = s.conn.Conn().SetDeadline(time.Now().Add(100 * time.Millisecond))
	_ = s.conn.Close(ctx) // The connection is gone either way.
}
