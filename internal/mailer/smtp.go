package mailer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"os"
	"slices"
	"strings"
)

// submit gives a mail to a mail server.
func (c *Config) submit(ctx context.Context, from string, to []*mail.Address, content []byte) error {
	host, port, err := net.SplitHostPort(c.SMTP)
	if err != nil {
		return err
	}
	trust, err := c.tls(host)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.SMTP)
	if err != nil {
		return fmt.Errorf("connect to the mail server: %w: check --mail.smtp, and that a firewall or network policy lets it through", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if c.Security == SecurityTLS || c.Security != SecuritySTARTTLS && c.Security != SecurityInsecure && port == "465" {
		secured := tls.Client(conn, trust)
		if err := secured.HandshakeContext(ctx); err != nil {
			return c.explain(ctx, "TLS with the mail server", err)
		}
		conn = secured
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return c.explain(ctx, "greet the mail server", err)
	}
	if err := c.login(client, host, trust); err != nil {
		return c.explain(ctx, "log in to the mail server", err)
	}
	if err := hand(client, from, to, content); err != nil {
		return c.explain(ctx, "send the mail", err)
	}
	return nil
}

// tls returns how the server's certificate is verified.
func (c *Config) tls(host string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read --mail.ca-file: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read --mail.ca-file: %s has no certificate in PEM", c.CAFile)
	}
	return t, nil
}

// login greets the server, secures the connection and logs in.
func (c *Config) login(client *smtp.Client, host string, trust *tls.Config) error {
	if name, err := os.Hostname(); err == nil && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) && name != "" {
		if err := client.Hello(name); err != nil {
			return err
		}
	}
	if _, secured := client.TLSConnectionState(); !secured && c.Security != SecurityInsecure {
		offered, _ := client.Extension("STARTTLS")
		switch {
		case offered:
			if err := client.StartTLS(trust); err != nil {
				return err
			}
		case c.Security == SecuritySTARTTLS:
			return errors.New("it does not offer STARTTLS: check the port, or whether something on the way takes the offer out")
		}
	}
	if c.User == "" {
		return nil
	}
	_, secured := client.TLSConnectionState()
	if ip := net.ParseIP(host); !secured && host != "localhost" && !ip.IsLoopback() {
		return errors.New("it offers no TLS, and passwords are sent over TLS only: use --mail.security=tls on port 465, or a server with STARTTLS")
	}
	password, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return fmt.Errorf("read --mail.password-file: %w", err)
	}
	line, _, _ := strings.Cut(string(password), "\n")
	offered, mechanisms := client.Extension("AUTH")
	a := &auth{user: c.User, password: strings.TrimRight(line, "\r")}
	switch list := strings.Fields(mechanisms); {
	case a.password == "":
		return fmt.Errorf("%s is empty: it must have the password on its first line", c.PasswordFile)
	case !offered:
		return errors.New("it offers no login: leave --mail.user out, or use its port for submission, mostly 587 or 465")
	case slices.Contains(list, "PLAIN"):
	case slices.Contains(list, "LOGIN"):
		a.steps = true
	default:
		return fmt.Errorf("it offers no login by password, but %q: use --mail.sendmail, or a server that does", mechanisms)
	}
	return client.Auth(a)
}

// auth is the mechanism PLAIN (RFC 4616) or, in steps, LOGIN, which is all that
// some servers offer. Whoever uses it has seen to it that the connection is safe.
type auth struct {
	user, password string
	steps          bool
	asked          int
}

// Start begins the login.
func (a *auth) Start(*smtp.ServerInfo) (string, []byte, error) {
	if a.steps {
		return "LOGIN", nil, nil
	}
	return "PLAIN", []byte("\x00" + a.user + "\x00" + a.password), nil
}

// Next answers the server: LOGIN asks for the user, then for the password.
func (a *auth) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	a.asked++
	switch {
	case a.steps && a.asked == 1:
		return []byte(a.user), nil
	case a.steps && a.asked == 2:
		return []byte(a.password), nil
	}
	return nil, errors.New("the server asks for more than a password")
}

// hand gives the mail to the server that is logged in to.
func hand(client *smtp.Client, from string, to []*mail.Address, content []byte) error {
	if err := client.Mail(from); err != nil {
		return fmt.Errorf("from %s: %w", from, err)
	}
	for _, a := range to {
		if err := client.Rcpt(a.Address); err != nil {
			return fmt.Errorf("to %s: %w", a.Address, err)
		}
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = client.Quit() // The mail is the server's already.
	return nil
}

// explain says what was tried, and what helps.
func (c *Config) explain(ctx context.Context, doing string, err error) error {
	var answer *textproto.Error
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	advice := ""
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("no answer in time: %w", context.Cause(ctx))
	case errors.As(err, &authority):
		advice = "name the authority of its certificate by --mail.ca-file"
	case errors.As(err, &name):
		advice = "use the name in --mail.smtp that the certificate is for"
	case errors.As(err, &answer) && answer.Code >= 500:
		switch answer.Code {
		case 530, 534:
			advice = "the server wants a login: use --mail.user and --mail.password-file"
		case 535:
			advice = "check --mail.user and the password in the file"
		default:
			advice = "the server will refuse it again: ask who runs it, with this answer"
		}
	case errors.As(err, &answer):
		advice = "the server may take it later: try again"
	}
	text := fmt.Sprintf("%s %s: %v", doing, c.SMTP, err)
	if advice != "" {
		text += ": " + advice
	}
	return &sendError{oneLine(text), err}
}

// sendError is an error with a text that no server can put control characters in.
type sendError struct {
	text string
	err  error
}

func (e *sendError) Error() string { return e.text }
func (e *sendError) Unwrap() error { return e.err }
