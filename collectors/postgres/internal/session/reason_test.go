package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

func TestReasonOf(t *testing.T) {
	_, unparsed := pgconn.ParseConfig("port=none")
	for _, c := range []struct {
		err  error
		want collect.Reason
	}{
		{&pgconn.PgError{Code: "28P01"}, collect.Auth},
		{&pgconn.PgError{Code: "42501"}, collect.Denied},
		{&pgconn.PgError{Code: "08006"}, collect.Reset},
		{&pgconn.PgError{Code: "08P01", Severity: "ERROR", Message: "bind message supplies 0 parameters"}, ReasonSyntax},
		{&pgconn.PgError{Code: "08P01", Severity: "FATAL", Message: "password authentication failed"}, collect.Auth},
		{&pgconn.PgError{Code: "08P01", Severity: "FATAL", Message: "not allowed"}, collect.Auth},
		{&pgconn.PgError{Code: "08P01", Severity: "FATAL", Message: "no such database: x"}, ReasonConfig},
		{&pgconn.PgError{Code: "08P01", Severity: "FATAL", Message: `database "x" is disabled`}, ReasonUnavailable},
		{&pgconn.PgError{Code: "08P01", Severity: "FATAL", Message: "invalid length of startup packet"}, collect.Reset},
		{&pgconn.PgError{Code: "57014"}, collect.Timeout},
		{&pgconn.PgError{Code: "55P03"}, ReasonLock},
		{&pgconn.PgError{Code: "25006"}, ReasonReadOnly},
		{&pgconn.PgError{Code: "3D000"}, ReasonConfig},
		{&pgconn.PgError{Code: "42703"}, ReasonUndefined},
		{&pgconn.PgError{Code: "42601"}, ReasonSyntax},
		{&pgconn.PgError{Code: "53300"}, ReasonUnavailable},
		{&pgconn.PgError{Code: "57P03"}, ReasonUnavailable},
		{&pgconn.PgError{Code: "22012"}, ReasonServer},
		{&pgproto3.ExceededMaxBodyLenErr{}, ReasonTruncated},
		{unparsed, ReasonConfig},
		{&net.DNSError{Err: "no such host", Name: "nosuch.invalid"}, collect.DNS},
		{fmt.Errorf("dial: %w", syscall.ECONNREFUSED), collect.Refused},
		{fmt.Errorf("%w: %w", errLost, syscall.ECONNRESET), collect.Reset},
		{context.Canceled, collect.Canceled},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), collect.Timeout},
		{errors.New("tls error: server refused TLS connection"), collect.TLS},
		{fmt.Errorf("%w: unexpected message", errLost), collect.Protocol},
		{errors.New("anything else"), collect.Other},
	} {
		if got := ReasonOf(fmt.Errorf("wrapped: %w", c.err)); got != c.want {
			t.Errorf("ReasonOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

// TestPublic holds that what a server may have quoted is not logged.
func TestPublic(t *testing.T) {
	data := &pgconn.PgError{Code: "22P02", Message: `invalid input syntax for type integer: "s3cret"`}
	if got := Public(data).Error(); got != "SQLSTATE 22P02" {
		t.Errorf("got %q", got)
	}
	missing := &pgconn.PgError{Code: "42P01", Message: `relation "t" does not exist`}
	if got := Public(missing); !errors.Is(got, missing) {
		t.Errorf("got %v", got)
	}
}
