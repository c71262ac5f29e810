package session

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

var errCopy = errors.New("the statement copies into the server")

// answer flushes what was sent and reads up to the next ReadyForQuery. Rows of
// the command with the given number (of those in the flight, from 0) are
// visited; fields are theirs if they were described before. An error of the
// server is returned after the answer was read, so that the session is in
// step again.
func (s *session) answer(fields []Field, maxRows, command int, visit func([]Field, [][]byte)) (Result, error) {
	if err := s.front.Flush(); err != nil {
		return Result{}, err
	}
	result := Result{Fields: fields}
	var failure error
	done := 0
	for {
		message, err := s.front.Receive()
		if err != nil {
			return result, err
		}
		switch m := message.(type) {
		case *pgproto3.RowDescription:
			if command < 0 || done == command {
				result.Fields = fieldsOf(m)
			}
		case *pgproto3.DataRow:
			if done != command {
				break
			}
			if maxRows > 0 && result.Rows == maxRows {
				result.Truncated = true
				break
			}
			result.Rows++
			visit(result.Fields, m.Values)
		case *pgproto3.CommandComplete:
			if done == command && !reads(m.CommandTag) {
				s.spoiled = true
			}
			done++
		case *pgproto3.EmptyQueryResponse, *pgproto3.PortalSuspended:
			done++
		case *pgproto3.ErrorResponse:
			if failure == nil {
				failure = pgconn.ErrorResponseToPgError(m)
			}
			if m.SeverityUnlocalized == "FATAL" || m.Severity == "FATAL" { // the last message of a session
				s.spoiled = true
				return result, failure
			}
		case *pgproto3.ParameterStatus:
			// A setting of the session has changed; whether it is still
			// read-only is no longer known.
			s.spoiled = s.spoiled || !s.pooled
		case *pgproto3.CopyInResponse, *pgproto3.CopyBothResponse:
			return result, errCopy
		case *pgproto3.ReadyForQuery:
			s.inTransaction = m.TxStatus != 'I'
			s.spoiled = s.spoiled || s.inTransaction && !s.pooled
			return result, failure
		}
	}
}

// reads reports whether the command can have left no trace in the session.
func reads(tag []byte) bool {
	for _, verb := range []string{"SELECT", "SHOW", "EXPLAIN"} {
		if strings.HasPrefix(string(tag), verb) {
			return true
		}
	}
	return false
}

func fieldsOf(m *pgproto3.RowDescription) []Field {
	fields := make([]Field, len(m.Fields))
	for i := range m.Fields {
		fields[i] = Field{Name: string(m.Fields[i].Name), OID: m.Fields[i].DataTypeOID}
	}
	return fields
}
