package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/netutil"

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
	// Timeout is how long a client may take for a command, and for a whole mail; 0 means a minute.
	Timeout time.Duration
	// Connections is how many clients are served at once; 0 means 50.
	Connections int
	// TLS offers STARTTLS when it is not nil.
	TLS *tls.Config
	// RequireTLS refuses mail that does not come over TLS.
	RequireTLS bool
	// Logger may be nil.
	Logger *slog.Logger
}

const (
	// shutdownGrace is how long mails that are being received may take at shutdown.
	shutdownGrace = 10 * time.Second
	// maxLine is more than RFC 5321 allows, because some reports come as XML without line breaks.
	maxLine = 1 << 20
)

// Server is a source that mail servers send reports to.
type Server struct {
	config     Config
	recipients map[string]bool

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
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: c, recipients: make(map[string]bool), status: ingest.Status{Name: name}}
	for _, r := range c.Recipients {
		s.recipients[strings.ToLower(strings.TrimSpace(r))] = true
	}
	return s, nil
}

// Status returns a snapshot; the server is up while it listens.
func (s *Server) Status() ingest.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
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
}

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
	server := s.server(f)
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(listener, s.config.Connections)) }()
	select {
	case err = <-served:
		err = fmt.Errorf("serve mail: %w", err)
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.set(nil, err)
	_ = listener.Close()
	if !f.land(shutdownGrace) {
		s.config.Logger.Warn("mails were cut off at shutdown, their senders will try again", "source", s.status.Name)
	}
	cancel()
	// Idle clients would keep Server.Shutdown waiting.
	_ = server.Close()
	return err
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

// server makes the protocol server.
func (s *Server) server(f *flights) *smtp.Server {
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c, flights: f}, nil
	}))
	server.LMTP = s.config.LMTP
	server.Domain = s.config.Hostname
	server.TLSConfig = s.config.TLS
	server.MaxMessageBytes = s.config.MaxBytes
	server.MaxRecipients = 100
	server.MaxLineLength = maxLine
	server.ReadTimeout, server.WriteTimeout = s.config.Timeout, s.config.Timeout
	server.EnableSMTPUTF8 = true
	server.ErrorLog = slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelWarn)
	return server
}

// session is one connection.
type session struct {
	server  *Server
	conn    *smtp.Conn
	flights *flights
	flying  atomic.Bool
}

// Mail accepts any sender: bounces of reports come without one.
func (s *session) Mail(string, *smtp.MailOptions) error {
	if !s.server.config.RequireTLS {
		return nil
	}
	if _, ok := s.conn.TLSConnectionState(); !ok {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Must issue a STARTTLS command first"}
	}
	return nil
}

// Rcpt accepts the configured recipients.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	to = strings.ToLower(to)
	at := strings.LastIndexByte(to, '@')
	if s.server.recipients[to] || at >= 0 && s.server.recipients[to[at:]] {
		return nil
	}
	return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such recipient here"}
}

// Data delivers the mail and answers when its outcome is durable.
func (s *session) Data(r io.Reader) error {
	s.flying.Store(true)
	if !s.flights.begin() {
		return temporary(context.Canceled)
	}
	result, err := s.deliver(r)
	if err != nil {
		s.server.config.Logger.Error("mail was not recorded, its sender will try again", "source", s.server.status.Name, "err", err)
		return temporary(err)
	}
	if result.Class() != ingest.ClassRefused {
		return nil
	}
	message := string(result.Reason())
	for _, item := range result.Items {
		if item.Err != nil {
			message = printable(item.Err.Error())
			break
		}
	}
	return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "Not a report: " + message}
}

// deliver receives a mail to its end and delivers it.
func (s *session) deliver(r io.Reader) (ingest.Result, error) {
	spool, err := ingest.NewSpool(r)
	if err != nil {
		return ingest.Result{}, err
	}
	defer spool.Close()
	return s.flights.deliver(&ingest.Delivery{
		Source: s.server.status.Name, Name: s.conn.Conn().RemoteAddr().String(), Body: spool,
	})
}

// temporary makes the answer to a mail that should be sent again, unless its
// size or its lines are the trouble.
func temporary(err error) error {
	var limit *smtp.SMTPError
	if errors.As(err, &limit) && limit.Code == 552 {
		return limit
	}
	if errors.Is(err, smtp.ErrTooLongLine) {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "A line is too long"}
	}
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Cannot record reports now, try again later"}
}

// printable keeps an answer on one line of plain text.
func printable(text string) string {
	const limit = 200
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), limit)]
}

// Reset is called after the answer to a mail.
func (s *session) Reset() {
	if s.flying.Swap(false) {
		s.flights.end()
	}
}

// Logout is called when the connection ends.
func (s *session) Logout() error {
	s.Reset()
	return nil
}
