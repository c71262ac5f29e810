package ingest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// POP3Config configures a POP3.
type POP3Config struct {
	Options
	// Address is a host and a port.
	Address  string
	Security Security
	// TLS may be nil; the name of the server comes from Address.
	TLS *tls.Config
	// User and Password log in; the password is asked for anew each time.
	User     string
	Password func() (string, error)
	// After is AfterKeep or AfterDelete; empty means AfterKeep.
	After After
	// KeepRefused keeps refused mails also with AfterDelete: there is no folder to move them to.
	KeepRefused bool
}

// POP3 is a source that reads a mailbox over POP3 (RFC 1939) with UIDL.
type POP3 struct {
	health
	config   POP3Config
	attempts map[string]int
}

// NewPOP3 checks the configuration and returns a POP3. Its name is "pop3:",
// the user and the host.
func NewPOP3(c POP3Config) (*POP3, error) {
	host, _, _ := net.SplitHostPort(c.Address) // checked below
	name := "pop3:" + c.User + "@" + host
	setDefault(&c.Security, SecurityTLS)
	setDefault(&c.After, AfterKeep)
	c.Options = c.Options.WithDefaults()
	if err := cmp.Or(at("address", CheckAddress(c.Address)), at("security", c.Security.Check()), at("after", c.After.Check(AfterKeep, AfterDelete))); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.TLS = ClientTLS(c.TLS, host)
	return &POP3{health: newHealth(name), config: c, attempts: make(map[string]int)}, nil
}

// at names the setting that an error is about.
func at(setting string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", setting, err)
}

// Run reads the mailbox again and again until ctx ends or the server is out of order.
func (p *POP3) Run(ctx context.Context, deliver Deliver) error {
	for {
		err := p.session(ctx, deliver)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		p.set(err)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(p.config.Poll):
		}
	}
}

// session reads the mailbox once. Mails are deleted when it ends well.
func (p *POP3) session(ctx context.Context, deliver Deliver) error {
	c, err := p.dial(ctx)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	defer context.AfterFunc(ctx, func() { _ = c.conn.Close() })()
	if err := p.login(c); err != nil {
		return err
	}
	mails, err := c.list("UIDL")
	if err != nil {
		return err
	}
	sizes, err := c.list("LIST")
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(mails))
	for i, m := range mails {
		there[m.value] = true
		p.setBacklog(len(mails) - i)
		size, _ := strconv.ParseInt(sizeOf(sizes, i, m.number), 10, 64)
		if err := p.mail(ctx, c, deliver, m, size); err != nil {
			return err
		}
	}
	p.setBacklog(0)
	if _, err := c.command("QUIT"); err != nil {
		return err
	}
	return p.config.Marks.Forget(ctx, p.status.Name, func(uid string) bool { return there[uid] })
}

// sizeOf finds the size of a mail, which servers list in the same order.
func sizeOf(sizes []listed, i int, number string) string {
	if i < len(sizes) && sizes[i].number == number {
		return sizes[i].value
	}
	return ""
}

// mail delivers one mail, unless that was done before, and deletes it if it should be.
func (p *POP3) mail(ctx context.Context, c *pop3Conn, deliver Deliver, m listed, size int64) error {
	committed, done, err := p.config.Marks.Lookup(ctx, p.status.Name, m.value)
	if err != nil {
		return err
	}
	reason := committed.Reason
	if !done {
		result, err := p.deliver(ctx, c, deliver, m, size)
		if err != nil {
			return err
		}
		reason = result.Reason()
	}
	if p.config.After != AfterDelete || reason != "" && p.config.KeepRefused {
		return nil
	}
	_, err = c.command("DELE " + m.number)
	return err
}

// deliver fetches and delivers one mail. What cannot be fetched after some attempts is refused.
func (p *POP3) deliver(ctx context.Context, c *pop3Conn, deliver Deliver, m listed, size int64) (Result, error) {
	d := &Delivery{Source: p.status.Name, Name: m.value, Key: m.value, Mark: "done"}
	switch {
	case size > p.config.MaxBytes:
		d.Refused = &dmarc.Error{Reason: dmarc.ReasonTooLarge, Offset: -1, Err: fmt.Errorf("a mail of %d bytes", size)}
	case p.attempts[m.value] >= p.config.Attempts:
		p.config.Logger.Error("giving up on mail", "source", p.status.Name, "uid", m.value, "attempts", p.attempts[m.value])
		d.Refused = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: errors.New("the mail cannot be fetched")}
	default:
		spool, err := c.retrieve(m.number, size, p.config.MaxBytes)
		if err != nil {
			if ctx.Err() == nil {
				p.attempts[m.value]++
			}
			return Result{}, err
		}
		defer spool.Close()
		d.Body, d.Size = spool, spool.Size
	}
	result, err := deliver(ctx, d)
	var input *InputError
	switch {
	case err == nil:
		delete(p.attempts, m.value)
	case errors.As(err, &input): // Not when the store failed: no mail is to blame for that.
		p.attempts[m.value]++
	}
	return result, err
}

// dial connects and waits for the greeting.
func (p *POP3) dial(ctx context.Context) (*pop3Conn, error) {
	dialer := net.Dialer{Timeout: p.config.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", p.config.Address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if p.config.Security == SecurityTLS {
		conn = tls.Client(conn, p.config.TLS)
	}
	c := newPOP3Conn(conn, p.config.Timeout)
	if _, err := c.answer("connect"); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// login starts TLS where that is wanted, and logs in.
func (p *POP3) login(c *pop3Conn) error {
	if p.config.Security == SecuritySTARTTLS {
		if _, err := c.command("STLS"); err != nil {
			return err
		}
		// A new reader: what came before the handshake was not protected.
		*c = *newPOP3Conn(tls.Client(c.conn, p.config.TLS), p.config.Timeout)
	}
	password, err := p.config.Password()
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	if strings.ContainsAny(p.config.User+password, "\r\n") {
		return errors.New("log in: a line break in the credentials")
	}
	if _, err := c.command("USER " + p.config.User); err != nil {
		return err
	}
	_, err = c.command("PASS " + password)
	return err
}
