package realtest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Mode is what a FaultProxy does with connections.
type Mode int

// The modes of a FaultProxy. All but Refuse and Reset also hold for connections
// that are already open.
const (
	// Pass forwards everything.
	Pass Mode = iota
	// Refuse accepts no connection and closes those that are open.
	Refuse
	// Hang accepts connections and forwards nothing.
	Hang
	// Reset accepts connections and resets them at once, and those that are open.
	Reset
	// Drip forwards what the server says one byte per 50 ms.
	Drip
	// Cut forwards what the client says and nothing that the server says.
	Cut
)

// dripPause is the time between two bytes of Drip.
const dripPause = 50 * time.Millisecond

// FaultProxy stands between a client and a server and breaks their connections.
// Its methods may be called from any goroutine.
type FaultProxy struct {
	network, upstream string
	address           string
	wg                sync.WaitGroup

	mu       sync.Mutex
	mode     Mode
	changed  chan struct{} // closed and replaced when mode changes
	listener net.Listener
	conns    map[net.Conn]struct{}
	total    int
	peak     int
	open     int
	closed   bool
}

// NewFaultProxy starts a proxy for a server at upstream (network "tcp" or
// "unix") and stops it with the test. It begins in mode Pass.
func NewFaultProxy(t testing.TB, network, upstream string) *FaultProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &FaultProxy{
		network: network, upstream: upstream, address: l.Addr().String(), listener: l,
		changed: make(chan struct{}), conns: map[net.Conn]struct{}{},
	}
	p.wg.Go(func() { p.accept(l) })
	t.Cleanup(p.close)
	return p
}

// Addr returns host:port of the proxy.
func (p *FaultProxy) Addr() string { return p.address }

// Connections returns how many connections were accepted in all, and how many
// were open at the same time at most.
func (p *FaultProxy) Connections() (total, peak int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total, p.peak
}

// Open returns how many connections clients hold open now.
func (p *FaultProxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// SetMode changes what the proxy does, from now on.
func (p *FaultProxy) SetMode(t testing.TB, m Mode) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	close(p.changed)
	p.changed = make(chan struct{})
	if m == Refuse || m == Reset {
		for c := range p.conns {
			abort(c, m == Reset)
		}
	}
	switch {
	case m == Refuse && p.listener != nil:
		p.listener.Close()
		p.listener = nil
	case m != Refuse && p.listener == nil:
		l, err := net.Listen("tcp", p.address)
		if err != nil {
			t.Fatalf("listen again: %v", err)
		}
		p.listener = l
		p.wg.Go(func() { p.accept(l) })
	}
}

func (p *FaultProxy) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.total++
		if p.mode == Reset || p.mode == Refuse || p.closed {
			abort(c, true)
			p.mu.Unlock()
			continue
		}
		p.conns[c] = struct{}{}
		p.open++
		p.peak = max(p.peak, p.open)
		p.mu.Unlock()
		p.wg.Go(func() {
			p.serve(c)
			c.Close()
			p.mu.Lock()
			delete(p.conns, c)
			p.open--
			p.mu.Unlock()
		})
	}
}

// serve joins a client with the server until one of them closes.
func (p *FaultProxy) serve(client net.Conn) {
	server, err := net.Dial(p.network, p.upstream)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.conns[server] = struct{}{}
	p.mu.Unlock()
	over, gone := make(chan struct{}), make(chan struct{}) // gone: the client has gone.
	down := p.read(server, over, func() {})
	up := p.read(client, over, func() { close(gone) })
	var directions sync.WaitGroup
	forward := func(dst net.Conn, chunks <-chan []byte, down bool) {
		for b := range chunks {
			if !p.send(dst, b, down, gone) {
				break
			}
		}
		// The other direction notices by its next read or write.
		p.hangUp(client, server)
	}
	directions.Go(func() { forward(server, up, false) })
	directions.Go(func() { forward(client, down, true) })
	directions.Wait()
	close(over)
	p.mu.Lock()
	delete(p.conns, server)
	p.mu.Unlock()
}

// read returns what arrives from src, and reads on while nobody takes it, so
// that the end of a connection shows. It stops when src ends or over is closed,
// and then calls end.
func (p *FaultProxy) read(src net.Conn, over <-chan struct{}, end func()) <-chan []byte {
	chunks := make(chan []byte, 256)
	p.wg.Go(func() {
		defer close(chunks)
		defer end()
		buf := make([]byte, 16<<10)
		for {
			n, err := src.Read(buf)
			if n > 0 {
				select {
				case chunks <- bytes.Clone(buf[:n]):
				case <-over:
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	return chunks
}

// send writes b to dst as the mode says, and reports whether to go on. down is
// the direction from the server to the client.
func (p *FaultProxy) send(dst io.Writer, b []byte, down bool, gone <-chan struct{}) bool {
	for len(b) > 0 {
		p.mu.Lock()
		mode, changed, closed := p.mode, p.changed, p.closed
		p.mu.Unlock()
		switch {
		case closed:
			return false
		case mode == Hang, mode == Cut && down:
			select {
			case <-changed:
			case <-gone:
				return false
			}
		case mode == Drip && down:
			if _, err := dst.Write(b[:1]); err != nil {
				return false
			}
			b = b[1:]
			select {
			case <-changed:
			case <-time.After(dripPause):
			}
		default:
			_, err := dst.Write(b)
			return err == nil
		}
	}
	return true
}

// hangUp closes connections as the mode says.
func (p *FaultProxy) hangUp(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		abort(c, p.mode == Reset)
	}
}

// close ends the proxy and waits for its goroutines.
func (p *FaultProxy) close() {
	p.mu.Lock()
	p.closed = true
	close(p.changed)
	p.changed = make(chan struct{})
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// abort closes a connection, with a reset if rst.
func abort(c net.Conn, rst bool) {
	if tcp, ok := c.(*net.TCPConn); ok && rst {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}
