package redis

import (
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// refusable is a connection that knows why the server has closed it, if that said so: one
// that takes no more clients, or none from elsewhere, does that before it is asked for
// anything.
type refusable struct {
	socket
	first atomic.Pointer[string] // what the server sent first
}

// socket is what a client needs to look whether a connection is still open.
type socket interface {
	net.Conn
	SyscallConn() (syscall.RawConn, error)
}

// newRefusable returns conn as one that knows, unless it is encrypted.
func newRefusable(conn net.Conn) net.Conn {
	if s, ok := conn.(socket); ok {
		return &refusable{socket: s}
	}
	return conn
}

const (
	// maxRefusal bounds what is kept of the reason.
	maxRefusal = 512
	// refusalPatience is how long to wait for what has arrived already.
	refusalPatience = 10 * time.Millisecond
)

// Read implements net.Conn.
func (r *refusable) Read(b []byte) (int, error) {
	n, err := r.socket.Read(b)
	if n > 0 && r.first.Load() == nil {
		first := string(b[:min(n, maxRefusal)])
		r.first.Store(&first)
	}
	return n, err
}

// Write implements net.Conn. Its error is the reason, which the client may have read
// already.
func (r *refusable) Write(b []byte) (int, error) {
	n, err := r.socket.Write(b)
	if err == nil {
		return n, nil
	}
	if r.first.Load() == nil && r.SetReadDeadline(time.Now().Add(refusalPatience)) == nil {
		_, _ = r.Read(make([]byte, maxRefusal)) // What counts is what is there.
	}
	if said := r.first.Load(); said != nil && strings.HasPrefix(*said, "-") {
		line, _, _ := strings.Cut((*said)[1:], "\r\n")
		return n, refused(line)
	}
	return n, err
}

// refused is an error reply to a connection.
type refused string

func (r refused) Error() string { return string(r) }

// RedisError implements redis.Error.
func (refused) RedisError() {}
