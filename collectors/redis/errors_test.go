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
)

func TestReasonOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Reason
	}{
		{nil, ReasonNone},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "redis"}}, ReasonDNS},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, ReasonRefused},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, ReasonNetwork},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, ReasonTimeout},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), ReasonTimeout},
		{context.Canceled, ReasonCanceled},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, ReasonClosed},
		{redis.ErrPoolTimeout, ReasonTimeout},
		{redis.ErrClosed, ReasonClosed},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, ReasonTLS},
		{x509.UnknownAuthorityError{}, ReasonTLS},
		{&CredentialsError{Err: os.ErrNotExist}, ReasonAuth},
		{fmt.Errorf("redis: all sentinels specified in configuration are unreachable: %w", syscall.ECONNREFUSED), ReasonSentinel},
		{errors.New("redis: can't parse \"HTTP/1.1\""), ReasonProtocol},
		{errReply, ReasonProtocol},
		{errors.New("something else"), ReasonOther},
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
