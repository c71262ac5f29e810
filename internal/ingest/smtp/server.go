package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Config configures a Server.
type Config struct {
	// Listen is a TCP address, or "unix:" and the path of a socket.
	Listen string
	// LMTP speaks LMTP (RFC 2033) instead of SMTP.
	LMTP bool
	// Hostname is what the server calls itself; empty means that of the machine.
	Hostname string
	// Recipients lists whose mail is accepted: addresses, or "@domain" for
	// all of a domain. Case does not matter. There is no mail without one.
	Recipients []string
	// MaxBytes is the size of the largest mail; 0 means the memory that ingest.Limits allow.
	MaxBytes int64
	// Timeout is how long a client may take for a command, and for a whole mail; 0
	// means a minute. After five times as long without a mail its session ends.
	Timeout time.Duration
	// Connections is how many clients are served at once; 0 means 50. One more
	// takes the place of the one that is longest without a mail.
	Connections int
	// PerAddress is how many of them may come from one address, or from one
	// network of 64 bits; 0 means half of Connections. A socket has no addresses.
	PerAddress int
	// TLS offers STARTTLS when it is not nil.
	TLS *tls.Config
	// RequireTLS refuses mail that does not come over TLS.
	RequireTLS bool
	// Logger may be nil.
	Logger *slog.Logger
}

// shutdownGrace is how long mails that are being received may take at shutdown.
const shutdownGrace = 10 * time.Second

// Server is a source that mail servers send reports to.
type Server struct {
	config      Config
	recipients  map[string]bool
	connections *connections
	notices     *ingest.Notices

	mu     sync.Mutex
	status ingest.Status
	addr   net.Addr
}

// New checks the configuration and returns a Server. Its name is "smtp:" or
// "lmtp:" and what it listens on.
func New(c Config) (*Server, error) {
	name := "smtp:"
	if c.LMTP {
		name = "lmtp:"
	}
	name += c.Listen
	if c.Listen == "" {
		return nil, errors.New("smtp: no address to listen on")
	}
	if len(c.Recipients) == 0 {
		return nil, fmt.Errorf("%s: recipients is missing, so that no mail would be accepted", name)
	}
	if c.RequireTLS && c.TLS == nil {
		return nil, fmt.Errorf("%s: TLS is required, but there is no certificate", name)
	}
	if c.Hostname == "" {
		c.Hostname, _ = os.Hostname()
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = ingest.Limits().Memory
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Connections == 0 {
		c.Connections = 50
	}
	if c.PerAddress == 0 {
		c.PerAddress = (c.Connections + 1) / 2
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: c, recipients: make(map[string]bool), status: ingest.Status{Name: name}}
	s.connections, s.notices = newConnections(c.Connections, c.PerAddress), ingest.NewNotices(c.Logger.With("source", name))
	for _, r := range c.Recipients {
		s.recipients[strings.ToLower(strings.TrimSpace(r))] = true
	}
	return s, nil
}

// Status returns a snapshot; the server is up while it listens.
func (s *Server) Status() ingest.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	status.Listener = s.connections.stats()
	return status
}

// Addr returns the address that the server listens on, nil while it does not.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

func (s *Server) set(addr net.Addr, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = addr
	s.status.Up, s.status.Err, s.status.Since = addr != nil, err, time.Now()
	s.status.Worked = s.status.Worked || s.status.Up
}

// Accepts says that clients bring the reports.
func (s *Server) Accepts() {}

// Run listens until ctx ends. Mails that are being received then may finish.
func (s *Server) Run(ctx context.Context, deliver ingest.Deliver) error {
	listener, err := s.listen()
	if err != nil {
		s.set(nil, err)
		return err
	}
	s.set(listener.Addr(), nil)
	// ctx ends the listening, but mails under way deserve their answer.
	deliverCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	f := &flights{slots: make(chan struct{}, s.config.Connections), ctx: deliverCtx.Done(), deliver: func(d *ingest.Delivery) (ingest.Result, error) {
		return deliver.One(deliverCtx, d)
	}}
	var clients sync.WaitGroup
	defer context.AfterFunc(ctx, func() {
		s.set(nil, ctx.Err())
		_ = listener.Close()
	})()
	err = s.accept(listener, f, &clients)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	s.set(nil, err)
	_ = listener.Close()
	if !f.land(shutdownGrace) {
		s.config.Logger.Warn("mails were cut off at shutdown, their senders will try again", "source", s.status.Name)
	}
	cancel()
	s.connections.closeAll()
	clients.Wait()
	return err
}

// accept serves clients until the listener is closed. What passes, such as that
// there are no descriptors, is waited for.
func (s *Server) accept(listener net.Listener, f *flights, clients *sync.WaitGroup) error {
	const pause = 100 * time.Millisecond
	for {
		nc, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			s.notices.Warn("cannot accept a connection", "err", err)
			time.Sleep(pause)
			continue
		}
		c := newConn(s, nc, f)
		if !s.connections.admit(c) {
			c.turnAway()
			continue
		}
		clients.Go(func() {
			defer s.connections.leave(c)
			if err := ingest.Guard(func() error { c.serve(); return nil }); err != nil {
				s.mu.Lock()
				s.status.Panics++
				s.mu.Unlock()
				s.config.Logger.Error("panic while receiving mail, please report it", "source", s.status.Name, "err", err)
			}
		})
	}
}

func (s *Server) listen() (net.Listener, error) {
	network, address := "tcp", s.config.Listen
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
		if err := removeStale(path); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listen for mail: %w", err)
	}
	return listener, nil
}

// Check listens for a moment.
func (s *Server) Check(_ context.Context, report func(what string, err error)) {
	listener, err := s.listen()
	if err == nil {
		err = listener.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; while serve runs, it is in use by serve itself", err)
	}
	report("listen for mail", err)
}

// removeStale removes a socket that a killed process left behind, but not one in use.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // Nothing there, or net.Listen will say what is in the way.
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("listen for mail: %s is in use", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}

// flights are the mails between DATA and the answer.
type flights struct {
	// slots holds a value for each of them.
	slots   chan struct{}
	ctx     <-chan struct{}
	deliver func(d *ingest.Delivery) (ingest.Result, error)
}

// begin reports whether a mail may still come.
func (f *flights) begin() bool {
	select {
	case f.slots <- struct{}{}:
		return true
	case <-f.ctx:
		return false
	}
}

// end takes back a begin, which may be just about to happen.
func (f *flights) end() {
	select {
	case <-f.slots:
	case <-f.ctx:
	}
}

// land waits until no mail is under way and lets none begin. It reports whether
// that took less than limit.
func (f *flights) land(limit time.Duration) bool {
	over := time.After(limit)
	for range cap(f.slots) {
		select {
		case f.slots <- struct{}{}:
		case <-over:
			return false
		}
	}
	return true
}
