package imap

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// idleLimit is how long one IDLE lasts: some servers end it after ten minutes.
const idleLimit = 9 * time.Minute

// session is a connection that is logged in and has a folder selected.
type session struct {
	conn     *lenient
	client   *imapclient.Client
	timeout  time.Duration
	validity uint32
	names    names
	// arrived gets a value when the server tells of new mails.
	arrived chan struct{}
}

// connect logs in and selects a folder.
func connect(ctx context.Context, c *Config, folder string) (*session, error) {
	s, err := login(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := s.enter(ctx, folder); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// login opens a connection and logs in.
func login(ctx context.Context, c *Config) (*session, error) {
	conn, err := dial(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, timeout: c.Timeout, arrived: make(chan struct{}, 1)}
	if s.client, err = greet(ctx, c, conn, s.options()); err != nil {
		s.close()
		return nil, err
	}
	if s.client.State() != imap.ConnStateAuthenticated { // as after PREAUTH
		if err := s.do(ctx, "log in", func() error { return c.Auth.login(ctx, s.client) }); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// enter selects the folder.
func (s *session) enter(ctx context.Context, folder string) error {
	identified := s.client.Caps().Has(imap.CapID)
	if identified {
		if err := s.identify(ctx); err != nil {
			return err
		}
	}
	name, _, err := s.find(ctx, folder)
	if err != nil {
		return err
	}
	err = s.selectFolder(ctx, name)
	if _, refused := refusal(err); refused && !identified {
		// Some want to know who we are, and do not offer to ask.
		if err := s.identify(ctx); err != nil {
			return err
		}
		err = s.selectFolder(ctx, name)
	}
	return err
}

func (s *session) selectFolder(ctx context.Context, name string) error {
	return s.do(ctx, "select folder "+name, func() error {
		data, err := s.client.Select(name, nil).Wait()
		if err == nil {
			s.validity = data.UIDValidity
		}
		return err
	})
}

// identify sends our name (RFC 2971), which some servers want before SELECT.
func (s *session) identify(ctx context.Context) error {
	return s.try(ctx, "identify", func() error {
		_, err := s.client.ID(&imap.IDData{Name: "dmarc-suite"}).Wait()
		return err
	})
}

// refusal returns the answer of a server that refused a command.
func refusal(err error) (*imap.Error, bool) {
	var refused *imap.Error
	return refused, errors.As(err, &refused)
}

// try is do for a command that the server may refuse without harm.
func (s *session) try(ctx context.Context, what string, command func() error) error {
	err := s.do(ctx, what, command)
	if _, refused := refusal(err); refused {
		return nil
	}
	return err
}

// dial opens the connection. Keep-alives find a dead one within a minute
// while the server has nothing to say.
func dial(ctx context.Context, c *Config) (*lenient, error) {
	dialer := net.Dialer{
		Timeout:         c.Timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4},
	}
	conn, err := dialer.DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if c.Security == ingest.SecurityInsecure {
		return newLenient(conn), nil
	}
	stop := closeLate(ctx, c.Timeout, func() { drop(conn) })
	defer stop()
	starttls := c.Security == ingest.SecuritySTARTTLS
	if starttls {
		if err := startTLS(conn); err != nil {
			conn.Close()
			return nil, fmt.Errorf("start TLS: %w", err)
		}
	}
	config := c.TLS.Clone()
	config.NextProtos = []string{"imap"}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	l := newLenient(secure)
	if starttls {
		// The server greeted before, which nobody may trust.
		l.out.WriteString("* OK\r\n")
	}
	return l, nil
}

// startTLS asks for TLS. What a server, or somebody between, says before it is
// dropped, and nothing is read past the answer (RFC 9051, section 6.2.1).
func startTLS(conn net.Conn) error {
	if greeting, err := plainLine(conn); err != nil || !strings.HasPrefix(strings.ToUpper(greeting), "* OK") {
		return cmp.Or(err, fmt.Errorf("the server greets with %.200q", greeting))
	}
	if _, err := io.WriteString(conn, "A STARTTLS\r\n"); err != nil {
		return err
	}
	for {
		line, err := plainLine(conn)
		if err != nil {
			return err
		}
		if answer, ok := strings.CutPrefix(line, "A "); ok {
			if strings.HasPrefix(strings.ToUpper(answer), "OK") {
				return nil
			}
			return fmt.Errorf("the server says %.200q", answer)
		}
	}
}

// plainLine reads a line byte by byte: what comes behind it belongs to TLS.
func plainLine(conn net.Conn) (string, error) {
	const longest = 8 << 10
	var line []byte
	for one := make([]byte, 1); len(line) < longest; line = append(line, one[0]) {
		if _, err := io.ReadFull(conn, one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			return strings.TrimRight(string(line), "\r"), nil
		}
	}
	return "", fmt.Errorf("a line of more than %d bytes", longest)
}

// greet waits for the greeting of the server.
func greet(ctx context.Context, c *Config, conn *lenient, options *imapclient.Options) (*imapclient.Client, error) {
	stop := closeLate(ctx, c.Timeout, func() { drop(conn.Conn) })
	defer stop()
	client := imapclient.New(conn, options)
	if err := client.WaitGreeting(); err != nil {
		return nil, fmt.Errorf("wait for greeting: %w", err)
	}
	return client, nil
}

func (s *session) options() *imapclient.Options {
	return &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(data *imapclient.UnilateralDataMailbox) {
				if data.NumMessages == nil {
					return
				}
				select {
				case s.arrived <- struct{}{}:
				default:
				}
			},
		},
	}
}

// closeLate calls closeConn when ctx ends or the time is over before stop is
// called: the library has no deadlines of its own.
func closeLate(ctx context.Context, timeout time.Duration, closeConn func()) (stop func()) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	unwatch := context.AfterFunc(ctx, closeConn)
	return func() {
		unwatch()
		cancel()
	}
}

// do runs one command, from its first byte on, with the deadline for commands.
func (s *session) do(ctx context.Context, what string, command func() error) error {
	start := time.Now()
	stop := closeLate(ctx, s.timeout, s.close)
	defer stop()
	err := command()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case time.Since(start) >= s.timeout:
		return fmt.Errorf("%s: no answer within %s", what, s.timeout)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// close drops the connection without a goodbye, for which an IDLE would have to
// end first. Unlike Client.Close it does not wait for the client, which itself
// may wait for somebody to read a literal.
func (s *session) close() { drop(s.conn.Conn) }

// closed reports whether the connection is gone.
func (s *session) closed() bool {
	select {
	case <-s.client.Closed():
		return true
	default:
		return false
	}
}

// drop closes a connection without the farewell of TLS, which could block.
func drop(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close()
}

// search returns the UIDs of the mails after the one called last, in order.
func (s *session) search(ctx context.Context, last imap.UID) ([]imap.UID, error) {
	criteria := &imap.SearchCriteria{
		UID:     []imap.UIDSet{{imap.UIDRange{Start: last + 1, Stop: 0}}},
		NotFlag: []imap.Flag{imap.FlagDeleted},
	}
	var uids []imap.UID
	err := s.do(ctx, "search", func() error {
		data, err := s.client.UIDSearch(criteria, nil).Wait()
		if err == nil {
			uids = data.AllUIDs()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return after(uids, last), nil
}

// present returns those of the mails that are still there.
func (s *session) present(ctx context.Context, uids []imap.UID) (map[imap.UID]bool, error) {
	there := make(map[imap.UID]bool, len(uids))
	err := s.do(ctx, "search", func() error {
		data, err := s.client.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{imap.UIDSetNum(uids...)}}, nil).Wait()
		if err == nil {
			for _, uid := range data.AllUIDs() {
				there[uid] = true
			}
		}
		return err
	})
	return there, err
}

// wait returns when new mails may have come: told by IDLE, or after the pause.
func (s *session) wait(ctx context.Context, pause time.Duration, idle bool) error {
	idle = idle && s.client.Caps().Has(imap.CapIdle)
	if idle {
		pause = min(pause, idleLimit)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	var command *imapclient.IdleCommand
	if idle {
		err := s.do(ctx, "idle", func() (err error) {
			command, err = s.client.Idle()
			return err
		})
		if _, refused := refusal(err); refused {
			idle = false // It is offered, but does not work: the pause is enough.
		} else if err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.client.Closed():
		return errors.New("the server closed the connection")
	case <-s.arrived:
	case <-timer.C:
	}
	if !idle {
		return s.do(ctx, "noop", func() error { return s.client.Noop().Wait() })
	}
	return s.do(ctx, "end idle", func() error {
		if err := command.Close(); err != nil {
			return err
		}
		return command.Wait()
	})
}
