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
	config  POP3Config
	trials  *Trials[string]
	notices *Notices
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
	return &POP3{health: newHealth(name), config: c, trials: NewTrials[string](c.Options), notices: NewNotices(c.Logger.With("source", name))}, nil
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
		trouble, err := p.session(ctx, deliver, false)
		if err == nil && trouble {
			_, err = p.session(ctx, deliver, true)
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		p.set(err)
		if err != nil {
			return err
		}
		if p.config.Once {
			return p.config.End(p.Status().Backlog)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(p.config.Poll):
		}
	}
}

// session reads the mailbox once. Mails are deleted when it ends well, which one
// that breaks the connection would prevent: those that failed before have a
// session of their own. It reports whether there are such mails to be tried.
func (p *POP3) session(ctx context.Context, deliver Deliver, failed bool) (trouble bool, err error) {
	c, err := p.dial(ctx)
	if err != nil {
		return false, err
	}
	// The connection below TLS: STLS replaces the one above.
	raw := c.conn
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	if err := p.login(c); err != nil {
		return false, err
	}
	mails, err := p.list(c)
	if err != nil {
		return false, err
	}
	p.reach()
	there := make(map[string]bool, len(mails))
	left := 0
	for _, m := range mails {
		there[m.trial()] = true
		if p.failed(&m) || !failed {
			left++ // In a session of trouble, the others are read.
		}
	}
	for _, m := range mails {
		p.setBacklog(left)
		if p.failed(&m) != failed {
			trouble = trouble || !failed && !p.trials.Pausing(m.trial())
			continue
		}
		read, err := p.mail(ctx, c, deliver, m)
		if err != nil {
			return false, err
		}
		if read {
			left--
		}
	}
	p.setBacklog(left)
	if _, err := c.command("QUIT"); err != nil {
		return false, err
	}
	p.trials.Keep(func(name string) bool { return there[name] })
	return trouble, p.config.Marks.Forget(ctx, p.status.Name, func(uid string) bool { return there[uid] })
}

// failed reports whether a mail could not be fetched before.
func (p *POP3) failed(m *pop3Mail) bool { return p.trials.Failures(m.trial()) > 0 }

// pop3Mail is a mail of a listing.
type pop3Mail struct {
	number string
	// uid is empty when the server has no UIDL, or when others share it: then
	// only what was read and committed in this session is done.
	uid  string
	size int64
}

// mark tells a mail from another one that got its UIDL later.
func (m *pop3Mail) mark() string { return fmt.Sprint("done ", m.size) }

// list lists the mails with what identifies them.
func (p *POP3) list(c *pop3Conn) ([]pop3Mail, error) {
	sizes, err := c.list("LIST")
	if err != nil {
		return nil, err
	}
	uids, err := c.list("UIDL")
	var refused *pop3Refusal
	if err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	byNumber, shared := make(map[string]string, len(uids)), make(map[string]int, len(uids))
	for _, one := range uids {
		byNumber[one.number] = one.value
		shared[one.value]++
	}
	var mails []pop3Mail
	for _, one := range sizes {
		m := pop3Mail{number: one.number}
		first, _, _ := strings.Cut(one.value, " ")
		m.size, _ = strconv.ParseInt(first, 10, 64)
		if uid := byNumber[one.number]; shared[uid] == 1 {
			m.uid = uid
		}
		mails = append(mails, m)
	}
	return mails, nil
}

// trial names a mail in the trials.
func (m *pop3Mail) trial() string { return cmp.Or(m.uid, "#"+m.number) }

// mail delivers one mail, unless that was done before, and deletes it if it
// should be. It reports whether the mail is read or refused; errors are those of
// the connection or the store.
func (p *POP3) mail(ctx context.Context, c *pop3Conn, deliver Deliver, m pop3Mail) (read bool, err error) {
	var committed Committed
	done := false
	if m.uid != "" {
		committed, done, err = p.config.Marks.Lookup(ctx, p.status.Name, m.uid)
		if err != nil {
			return false, err
		}
		done = done && (committed.Value == m.mark() || committed.Value == markDone)
	}
	reason := committed.Reason
	if !done {
		if p.trials.Pausing(m.trial()) {
			return false, nil
		}
		result, err := p.deliver(ctx, c, deliver, m)
		var refused *pop3Refusal
		var input *InputError
		if ctx.Err() == nil && (errors.As(err, &refused) || errors.As(err, &input) || errors.Is(err, ErrNotNow)) {
			// The others need not wait for it.
			p.trials.Failed(m.trial(), err)
			p.notices.Warn("cannot read a mail, will try again", "uid", m.trial(), "err", err)
			return false, nil
		}
		var fetch *fetchError
		if ctx.Err() == nil && errors.As(err, &fetch) {
			// It may be what breaks the connection: the next session begins with the others.
			p.trials.Failed(m.trial(), err)
		}
		if err != nil {
			return false, err
		}
		p.trials.Done(m.trial())
		reason = result.Reason()
	}
	if p.config.After != AfterDelete || reason != "" && p.config.KeepRefused {
		return true, nil
	}
	_, err = c.command("DELE " + m.number)
	return true, err
}

// deliver fetches and delivers one mail. What cannot be fetched for a day is refused.
func (p *POP3) deliver(ctx context.Context, c *pop3Conn, deliver Deliver, m pop3Mail) (Result, error) {
	d := &Delivery{Source: p.status.Name, Name: m.trial(), Key: m.uid, Mark: m.mark(), Mail: true}
	switch {
	case m.size > p.config.MaxBytes:
		d.Refused = &dmarc.Error{Reason: dmarc.ReasonTooLarge, Offset: -1, Err: fmt.Errorf("a mail of %d bytes", m.size)}
	case m.uid != "" && p.trials.GiveUp(m.trial()): // A number may be that of another mail by now.
		p.config.Logger.Error("giving up on mail", "source", p.status.Name, "uid", m.trial(), "attempts", p.trials.Attempts(m.trial()))
		d.Refused = &dmarc.Error{Reason: dmarc.ReasonIO, Offset: -1, Err: errors.New("the mail cannot be fetched")}
	default:
		spool, err := c.retrieve(m.number, m.size, p.config.MaxBytes)
		if err != nil {
			return Result{}, &fetchError{err}
		}
		defer spool.Close()
		d.Body, d.Size = spool, spool.Size
	}
	return deliver.One(ctx, d)
}

// fetchError says that a mail was not fetched, whoever is to blame.
type fetchError struct{ error }

func (e *fetchError) Unwrap() error { return e.error }

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
