package redis

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

func TestReasonOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Reason
	}{
		{nil, collect.None},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "redis"}}, collect.DNS},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, collect.Refused},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, collect.Unreachable},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, collect.Timeout},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), collect.Timeout},
		{context.Canceled, collect.Canceled},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, collect.Reset},
		{redis.ErrPoolTimeout, collect.Timeout},
		{redis.ErrClosed, collect.Reset},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, collect.TLS},
		{x509.UnknownAuthorityError{}, collect.TLS},
		{&CredentialsError{Err: os.ErrNotExist}, collect.Auth},
		{fmt.Errorf("redis: all sentinels specified in configuration are unreachable: %w", syscall.ECONNREFUSED), ReasonSentinel},
		{fmt.Errorf("redis: all sentinels specified in configuration are unreachable: %w", redis.Nil), ReasonSentinel},
		{redis.Nil, collect.Protocol},
		{errors.New("redis: the length of the array must be a multiple of 2, got: 1"), collect.Protocol},
		{errors.New("redis: can't parse \"HTTP/1.1\""), collect.Protocol},
		{errReply, collect.Protocol},
		{errors.New("something else"), collect.Other},
	} {
		if got := ReasonOf(c.err); got != c.want {
			t.Errorf("ReasonOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"ERR unknown command `HELLO`, with args beginning with: `2`, `AUTH`, `default`, `s3cret`, ", "ERR unknown command `HELLO`"},
		{"WRONGPASS invalid username-password pair", "WRONGPASS invalid username-password pair"},
		{"bad \xff text", "bad \uFFFD text"},
	} {
		if got := redact(errors.New(c.text)); got != c.want {
			t.Errorf("redact(%q) = %q, want %q", c.text, got, c.want)
		}
	}
	if got := redact(errors.New(strings.Repeat("x", 5000))); len(got) > 400 {
		t.Errorf("a long text stays %d bytes long", len(got))
	}
}
