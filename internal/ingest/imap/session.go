package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// idleLimit is how long one IDLE lasts: some servers end it after ten minutes.
const idleLimit = 9 * time.Minute

// session is a connection that is logged in and has a folder selected.
type session struct {
	conn     net.Conn
	client   *imapclient.Client
	timeout  time.Duration
	validity uint32
	// arrived gets a value when the server tells of new mails.
	arrived chan struct{}
}

// connect logs in and selects a folder.
func connect(ctx context.Context, c *Config, folder string) (*session, error) {
	conn, err := dial(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, timeout: c.Timeout, arrived: make(chan struct{}, 1)}
	if s.client, err = greet(ctx, c, conn, s.options(c)); err != nil {
		s.close()
		return nil, err
	}
	if err := s.do(ctx, "log in", func() error { return c.Auth.login(ctx, s.client) }); err != nil {
		s.close()
		return nil, err
	}
	err = s.do(ctx, "select folder", func() error {
		data, err := s.client.Select(folder, nil).Wait()
		if err == nil {
			s.validity = data.UIDValidity
		}
		return err
	})
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// dial opens the connection. Keep-alives find a dead one within a minute
// while the server has nothing to say.
func dial(ctx context.Context, c *Config) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout:         c.Timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4},
	}
	conn, err := dialer.DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if c.Security != ingest.SecurityTLS {
		return conn, nil
	}
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	config := c.TLS.Clone()
	config.NextProtos = []string{"imap"}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(limited); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return secure, nil
}

// greet waits for the greeting of the server and, if need be, for STARTTLS.
func greet(ctx context.Context, c *Config, conn net.Conn, options *imapclient.Options) (*imapclient.Client, error) {
	stop := closeLate(ctx, c.Timeout, func() { drop(conn) })
	defer stop()
	if c.Security == ingest.SecuritySTARTTLS {
		client, err := imapclient.NewStartTLS(conn, options)
		if err != nil {
			return nil, fmt.Errorf("start TLS: %w", err)
		}
		return client, nil
	}
	client := imapclient.New(conn, options)
	if err := client.WaitGreeting(); err != nil {
		return nil, fmt.Errorf("wait for greeting: %w", err)
	}
	return client, nil
}

func (s *session) options(c *Config) *imapclient.Options {
	return &imapclient.Options{
		TLSConfig: c.TLS,
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
func (s *session) close() { drop(s.conn) }

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
		if err != nil {
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
