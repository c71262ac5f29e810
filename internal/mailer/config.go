package mailer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// Security says how the connection to a mail server is protected.
type Security string

// The kinds of protection.
const (
	// SecurityAuto is TLS from the start on port 465, and elsewhere STARTTLS
	// where the server offers it. A password is sent over TLS only.
	SecurityAuto     Security = "auto"
	SecurityTLS      Security = "tls"
	SecuritySTARTTLS Security = "starttls"
	SecurityInsecure Security = "insecure-none"
)

// Config says how mails are sent, and to whom. Its zero value sends none.
type Config struct {
	// SMTP is the host and port of a mail server, Sendmail the path of a program
	// that takes mails instead.
	SMTP, Sendmail string
	// Security is of SMTP; empty means SecurityAuto.
	Security Security
	// CAFile has the authorities that the server's certificate may be of; empty
	// means those of the machine.
	CAFile string
	// User and the first line of PasswordFile log in; without User nobody does.
	User, PasswordFile string
	// From and To are addresses, with a name or without.
	From string
	To   []string
	// Timeout bounds one mail; 0 means a minute.
	Timeout time.Duration
}

// AddFlags declares the flags of a command that sends mails.
func (c *Config) AddFlags(cmd *kingpin.CmdClause) {
	cmd.Flag("mail.to", "Address to send to, instead of printing. Repeatable.").StringsVar(&c.To)
	cmd.Flag("mail.from", "Address of the sender.").StringVar(&c.From)
	cmd.Flag("mail.smtp", "Mail server that takes the mail, as host:port.").StringVar(&c.SMTP)
	cmd.Flag("mail.security", "Protection of the connection to the mail server: TLS from the start (tls), STARTTLS (starttls), or none (insecure-none). With auto it is tls on port 465, and elsewhere STARTTLS if the server offers it.").
		Default(string(SecurityAuto)).EnumVar((*string)(&c.Security), string(SecurityAuto), string(SecurityTLS), string(SecuritySTARTTLS), string(SecurityInsecure))
	cmd.Flag("mail.ca-file", "Certificates of the authorities that the mail server's certificate may be of, in PEM, instead of those of the machine.").StringVar(&c.CAFile)
	cmd.Flag("mail.user", "User to log in to the mail server as.").StringVar(&c.User)
	cmd.Flag("mail.password-file", "File with the password of the user. It is sent over TLS only, or to this machine.").StringVar(&c.PasswordFile)
	cmd.Flag("mail.sendmail", "Program that takes the mail on its standard input instead of a mail server, such as /usr/sbin/sendmail.").StringVar(&c.Sendmail)
}

// Enabled reports whether there is somebody to send to.
func (c *Config) Enabled() bool { return len(c.To) > 0 }

// Check finds what is missing or does not fit together.
func (c *Config) Check() error {
	if !c.Enabled() {
		if c.SMTP+c.Sendmail+c.From+c.User+c.PasswordFile+c.CAFile != "" {
			return errors.New("--mail.to is missing: name who the mail is for")
		}
		return nil
	}
	if _, _, err := c.addresses(); err != nil {
		return err
	}
	switch {
	case c.SMTP == "" && c.Sendmail == "":
		return errors.New("there is no way to send: name a mail server by --mail.smtp, or a program by --mail.sendmail")
	case c.SMTP != "" && c.Sendmail != "":
		return errors.New("--mail.smtp and --mail.sendmail exclude each other")
	case c.Sendmail != "" && c.User+c.PasswordFile+c.CAFile != "":
		return errors.New("--mail.user, --mail.password-file and --mail.ca-file are for --mail.smtp")
	case (c.User == "") != (c.PasswordFile == ""):
		return errors.New("--mail.user and --mail.password-file belong together")
	case c.SMTP != "":
		if host, port, err := net.SplitHostPort(c.SMTP); err != nil || host == "" || port == "" {
			return errors.New("--mail.smtp must be a host and a port, such as mail.example.com:587")
		}
	}
	return nil
}

// addresses parses who the mail is from and to.
func (c *Config) addresses() (from *mail.Address, to []*mail.Address, err error) {
	if c.From == "" {
		return nil, nil, errors.New("--mail.from is missing: name the address that the mail is sent from")
	}
	if from, err = parseAddress(c.From); err != nil {
		return nil, nil, fmt.Errorf("--mail.from: %w", err)
	}
	for _, text := range c.To {
		a, err := parseAddress(text)
		if err != nil {
			return nil, nil, fmt.Errorf("--mail.to: %w", err)
		}
		to = append(to, a)
	}
	return from, to, nil
}

// parseAddress parses one address that every mail server understands.
func parseAddress(text string) (*mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no mail address", text)
	}
	if strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("%q has other characters than those of ASCII: write its domain with xn--", text)
	}
	a.Name = oneLine(a.Name)
	return a, nil
}

// Send sends a mail to everybody, or to nobody when one of them is refused, so
// that it may be tried again.
func (c *Config) Send(ctx context.Context, m *Message) error {
	if err := c.Check(); err != nil {
		return err
	}
	from, to, err := c.addresses()
	if err != nil {
		return err
	}
	content, err := m.encode(from, to, time.Now())
	if err != nil {
		return err
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if c.Sendmail != "" {
		return c.pipe(ctx, from.Address, to, content)
	}
	return c.submit(ctx, from.Address, to, content)
}
