package collect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestReasonOf classifies errors as the operating system, the resolver, TLS and
// HTTP return them.
func TestReasonOf(t *testing.T) {
	var secure, plain, secret *httptest.Server
	for _, s := range []**httptest.Server{&secure, &plain, &secret} {
		*s = httptest.NewUnstartedServer(http.NotFoundHandler())
		(*s).Config.ErrorLog = log.New(io.Discard, "", 0)
		t.Cleanup((*s).Close)
	}
	secret.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	secure.StartTLS()
	secret.StartTLS()
	plain.Start()

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	t.Cleanup(cancel)
	for _, c := range []struct {
		name string
		err  error
		want Reason
	}{
		{"no error", nil, None},
		{"unresolvable host", dial(t.Context(), "tcp", "nosuch.invalid:1"), DNS},
		{"resolver that is late", dial(late, "tcp", "nosuch.invalid:1"), DNS},
		{"closed port", dial(t.Context(), "tcp", realtest.FreeAddress(t)), Refused},
		{"no socket", dial(t.Context(), "unix", filepath.Join(t.TempDir(), "none")), Refused},
		{"reset", readAfter(t, func(c *net.TCPConn) error { return c.SetLinger(0) }), Reset},
		{"end of the stream", readAfter(t, (*net.TCPConn).CloseWrite), Reset},
		{"end within an answer", io.ErrUnexpectedEOF, Reset},
		{"used after it was closed", net.ErrClosed, Reset},
		{"cancelled context", dial(canceled, "tcp", realtest.FreeAddress(t)), Canceled},
		{"context at its deadline", dial(late, "tcp", realtest.FreeAddress(t)), Timeout},
		{"deadline of a connection", readAfter(t, nil), Timeout},
		{"certificate of nobody we know", get(t, secure.URL, &tls.Config{}), TLS},
		{"certificate of another host", get(t, secure.URL, trusting(secure, "elsewhere.example")), TLS},
		{"alert of the server", get(t, secret.URL, trusting(secret, "example.com")), TLS},
		{"plain text instead of TLS", get(t, "https://"+plain.Listener.Addr().String(), &tls.Config{}), TLS},
		{"no route", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, Unreachable},
		{"no permission for a socket", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)}, Unreachable},
		{"a reason of its own", fmt.Errorf("query: %w", &Error{"lock", io.EOF}), "lock"},
		{"a panic", Guard(func() error { panic("a bug") }), Panic},
		{"anything else", errors.New("anything else"), Other},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.err == nil && c.want != None {
				t.Fatal("there is no error to classify")
			}
			if got := ReasonOf(c.err); got != c.want {
				t.Errorf("ReasonOf(%v) = %q, want %q", c.err, got, c.want)
			}
			if got := ReasonOf(fmt.Errorf("wrapped: %w", c.err)); c.err != nil && got != c.want {
				t.Errorf("wrapped it is %q, want %q", got, c.want)
			}
		})
	}
}

// dial returns the error of connecting. Names are asked of a resolver that no
// network is behind.
func dial(ctx context.Context, network, addr string) error {
	d := net.Dialer{Resolver: &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, syscall.ENETUNREACH
		},
	}}
	conn, err := d.DialContext(ctx, network, addr)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// readAfter returns the error of reading after the other side has ended the
// connection in some way; nil means that it says nothing until a deadline.
func readAfter(t *testing.T, end func(*net.TCPConn) error) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if end == nil {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
	} else {
		if err := end(other.(*net.TCPConn)); err != nil {
			t.Fatal(err)
		}
		_ = other.Close()
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// get returns the error of a request.
func get(t *testing.T, url string, config *tls.Config) error {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(url)
	if err == nil {
		_ = answer.Body.Close()
	}
	return err
}

// trusting returns a configuration that knows the server's certificate.
func trusting(s *httptest.Server, name string) *tls.Config {
	config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = name
	return config
}
