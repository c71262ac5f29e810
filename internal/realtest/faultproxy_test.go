package realtest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// echoServer answers every line with itself and returns its address.
func echoServer(t *testing.T, network, address string) string {
	t.Helper()
	return listenAt(t, network, address, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

// client is a connection through a proxy.
type client struct {
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, p *FaultProxy) *client {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{c, bufio.NewReader(c)}
}

// echo sends a line and returns what comes back within d.
func (c *client) echo(line string, d time.Duration) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return c.read(d)
}

func (c *client) read(d time.Duration) (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		return "", err
	}
	return c.lines.ReadString('\n')
}

func TestFaultProxy(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			p := NewFaultProxy(t, network, echoServer(t, network, address))
			c := dial(t, p)
			mustEcho(t, c, "pass")

			p.SetMode(t, Hang)
			if got, err := c.echo("hang", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("hang: got %q, %v, want silence", got, err)
			}
			second := dial(t, p)
			if got, err := second.echo("hang", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("hang from the start: got %q, %v, want silence", got, err)
			}
			third := dial(t, p)
			if got, err := third.echo("hang", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %q, %v, want silence", got, err)
			}
			third.Close()
			Eventually(t, "a client that leaves is noticed", func() bool { return p.Open() == 2 })

			p.SetMode(t, Pass)
			for _, c := range []*client{c, second} {
				if got, err := c.read(10 * time.Second); got != "hang\n" {
					t.Errorf("after the hang: got %q, %v, want what was held back", got, err)
				}
			}
			if total, peak := p.Connections(); total != 3 || peak != 3 || p.Open() != 2 {
				t.Errorf("counted %d in all, %d at most, %d open, want 3, 3 and 2", total, peak, p.Open())
			}
		})
	}
}

func mustEcho(t *testing.T, c *client, line string) {
	t.Helper()
	if got, err := c.echo(line, 10*time.Second); got != line+"\n" {
		t.Fatalf("echo: got %q, %v, want %q", got, err, line)
	}
}

func TestFaultProxyReset(t *testing.T) {
	p := NewFaultProxy(t, "tcp", echoServer(t, "tcp", "127.0.0.1:0"))
	c := dial(t, p)
	mustEcho(t, c, "before")
	p.SetMode(t, Reset)
	if _, err := c.read(10 * time.Second); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("open connection: got %v, want a reset", err)
	}
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer conn.Close()
		_, err = (&client{conn, bufio.NewReader(conn)}).echo("x", 10*time.Second)
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("new connection: got %v, want a reset", err)
	}
	p.SetMode(t, Pass)
	mustEcho(t, dial(t, p), "after")
}

func TestFaultProxyRefuse(t *testing.T) {
	p := NewFaultProxy(t, "tcp", echoServer(t, "tcp", "127.0.0.1:0"))
	c := dial(t, p)
	mustEcho(t, c, "before")
	p.SetMode(t, Refuse)
	if _, err := c.read(10 * time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("open connection: got %v, want its end", err)
	}
	if conn, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("new connection: got %v, want it refused", err)
		conn.Close()
	}
	p.SetMode(t, Pass)
	mustEcho(t, dial(t, p), "after")
	Eventually(t, "one connection open", func() bool { return p.Open() == 1 })
}

func TestFaultProxyDrip(t *testing.T) {
	p := NewFaultProxy(t, "tcp", echoServer(t, "tcp", "127.0.0.1:0"))
	p.SetMode(t, Drip)
	start := time.Now()
	mustEcho(t, dial(t, p), "drip") // Five bytes with the line's end, four pauses.
	if d := time.Since(start); d < 4*dripPause {
		t.Errorf("five bytes took %v, want at least %v", d, 4*dripPause)
	}
}

func TestFaultProxyCut(t *testing.T) {
	p := NewFaultProxy(t, "tcp", echoServer(t, "tcp", "127.0.0.1:0"))
	c := dial(t, p)
	mustEcho(t, c, "before")
	p.SetMode(t, Cut)
	if got, err := c.echo("lost", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v, want silence", got, err)
	}
}

func TestFaultProxyWithoutServer(t *testing.T) {
	p := NewFaultProxy(t, "unix", filepath.Join(t.TempDir(), "nobody"))
	c := dial(t, p)
	if _, err := c.read(10 * time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the end of the connection", err)
	}
	Eventually(t, "no connection open", func() bool { return p.Open() == 0 })
}
