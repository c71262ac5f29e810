package mailer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	netsmtp "net/smtp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	ingestsmtp "github.com/dmarc-suite/dmarc-suite/internal/ingest/smtp"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// certificate makes a certificate for a name or address, and a file with it.
func certificate(t testing.TB, hosts ...string) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}, file
}

// TestReceived sends to the SMTP server that dmarc_exporter receives reports
// with, which takes mail over TLS only.
func TestReceived(t *testing.T) {
	serverTLS, ca := certificate(t, "127.0.0.1")
	c := Config{From: "DMARC <dmarc@example.com>", To: []string{"a@example.net", "Bärbel <b@example.net>"}, CAFile: ca}
	s, err := ingestsmtp.New(ingestsmtp.Config{Listen: "127.0.0.1:0", Recipients: []string{"@example.net"}, TLS: serverTLS, RequireTLS: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var mails [][]byte
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, ingesttest.Single(func(_ context.Context, d *ingest.Delivery) (ingest.Result, error) {
			content, err := io.ReadAll(d.Body)
			mu.Lock()
			defer mu.Unlock()
			mails = append(mails, content)
			return ingest.Result{Counted: 1}, err
		}))
	}()
	realtest.Eventually(t, "the server listens", func() bool { return s.Addr() != nil })
	c.SMTP = s.Addr().String()
	for _, security := range []Security{"", SecuritySTARTTLS} {
		c.Security = security
		if err := c.Send(t.Context(), &sample); err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(mails) != 2 {
		t.Fatalf("%d mails, want 2", len(mails))
	}
	for _, mail := range mails {
		compare(t, mail, &c, &sample)
	}
}

// inbox is a server of others, that may want a login and refuse recipients.
type inbox struct {
	mechanisms []string
	answer     *smtp.SMTPError // to DATA

	mu    sync.Mutex
	mails [][]byte
	to    []string
	users []string
}

const password = "correct horse battery"

func (i *inbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{inbox: i}, nil }

type session struct {
	*inbox
	loggedIn bool
}

func (s *session) AuthMechanisms() []string { return s.mechanisms }

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, given string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.users = append(s.users, mechanism+" "+user)
		if given != password {
			return smtp.ErrAuthFailed
		}
		s.loggedIn = true
		return nil
	}
	if mechanism == "LOGIN" {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, given string) error { return check(user, given) }), nil
}

// loginServer is the mechanism LOGIN, which asks two questions.
type loginServer struct {
	check   func(user, password string) error
	answers []string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.answers = append(l.answers, string(response))
	}
	switch len(l.answers) {
	case 0:
		return []byte("Username:"), false, nil
	case 1:
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.answers[0], l.answers[1])
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if len(s.mechanisms) > 0 && !s.loggedIn {
		return &smtp.SMTPError{Code: 530, Message: "Authentication required\x1b[31m"}
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, Message: "No such user"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.answer != nil {
		return s.answer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, content)
	return nil
}
func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// serve starts a server; with trust it offers STARTTLS, or is all in TLS.
func (i *inbox) serve(t testing.TB, trust *tls.Config, implicit bool) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(i)
	s.Domain, s.TLSConfig, s.AllowInsecureAuth, s.ErrorLog = "mail.example", trust, trust == nil, quiet{}
	if implicit {
		listener = tls.NewListener(listener, trust)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(listener)
	}()
	t.Cleanup(func() {
		s.Close()
		listener.Close() // in case it does not serve yet
		<-done
	})
	return listener.Addr().String()
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// TestLogin logs in by each mechanism and over each kind of protection.
func TestLogin(t *testing.T) {
	trust, ca := certificate(t, "127.0.0.1")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\r\nanother line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		for _, security := range []Security{SecurityAuto, SecurityTLS, SecuritySTARTTLS} {
			i := &inbox{mechanisms: []string{"XOAUTH2", mechanism}}
			c := Config{From: "a@example.com", To: []string{"b@example.net"}, CAFile: ca, User: "jane", PasswordFile: file, Security: security}
			c.SMTP = i.serve(t, trust, security == SecurityTLS)
			if err := c.Send(t.Context(), &sample); err != nil {
				t.Errorf("%s, %s: %v", mechanism, security, err)
				continue
			}
			i.mu.Lock()
			if len(i.mails) != 1 || !slices.Equal(i.users, []string{mechanism + " jane"}) {
				t.Fatalf("%s, %s: %d mails, users %q", mechanism, security, len(i.mails), i.users)
			}
			compare(t, i.mails[0], &c, &sample)
			i.mu.Unlock()
		}
	}
}

// TestRefused says what helps, does not repeat secrets, and sends to all or to nobody.
func TestRefused(t *testing.T) {
	trust, ca := certificate(t, "127.0.0.1")
	other, _ := certificate(t, "127.0.0.1")
	misnamed, misnamedCA := certificate(t, "mail.example")
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	right, wrong, empty := write("right", password), write("wrong", "a wrong secret"), write("empty", "\n")
	plain := []string{"PLAIN"}
	for name, tt := range map[string]struct {
		inbox  *inbox
		trust  *tls.Config
		change func(c *Config)
		want   string
	}{
		"unknown authority": {&inbox{}, other, func(*Config) {}, "name the authority of its certificate by --mail.ca-file"},
		"other name":        {&inbox{}, misnamed, func(c *Config) { c.CAFile = misnamedCA }, "use the name in --mail.smtp that the certificate is for"},
		"no STARTTLS":       {&inbox{}, nil, func(c *Config) { c.Security = SecuritySTARTTLS }, "it does not offer STARTTLS"},
		"wants a login":     {&inbox{mechanisms: plain}, trust, func(*Config) {}, `\x1b[31m": the server wants a login: use --mail.user and --mail.password-file`},
		"wrong password":    {&inbox{mechanisms: plain}, trust, func(c *Config) { c.User, c.PasswordFile = "jane", wrong }, `535 "5.7.8 Authentication failed": check --mail.user and the password in the file`},
		"empty password":    {&inbox{mechanisms: plain}, trust, func(c *Config) { c.User, c.PasswordFile = "jane", empty }, "empty is empty: it must have the password on its first line"},
		"no password file":  {&inbox{mechanisms: plain}, trust, func(c *Config) { c.User, c.PasswordFile = "jane", dir+"/none" }, "read --mail.password-file: open "},
		"no login":          {&inbox{}, trust, func(c *Config) { c.User, c.PasswordFile = "jane", right }, "leave --mail.user out, or use its port for submission"},
		"other login":       {&inbox{mechanisms: []string{"XOAUTH2"}}, trust, func(c *Config) { c.User, c.PasswordFile = "jane", right }, `it offers no login by password, but "XOAUTH2"`},
		"recipient":         {&inbox{}, trust, func(c *Config) { c.To = append(c.To, "nobody@example.net") }, `to nobody@example.net: 550 "5.0.0 No such user": the server will refuse it again`},
		"for now":           {&inbox{answer: &smtp.SMTPError{Code: 452, EnhancedCode: smtp.NoEnhancedCode, Message: "Disk full"}}, trust, func(*Config) {}, `452 "Disk full": the server may take it later: try again`},
		"no authorities":    {&inbox{}, trust, func(c *Config) { c.CAFile = empty }, "has no certificate in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{From: "a@example.com", To: []string{"b@example.net"}, CAFile: ca, SMTP: tt.inbox.serve(t, tt.trust, false)}
			tt.change(&c)
			err := c.Send(t.Context(), &sample)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if strings.ContainsAny(err.Error(), "\x1b\r\n") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), password) {
				t.Errorf("error %q tells too much", err)
			}
			tt.inbox.mu.Lock()
			defer tt.inbox.mu.Unlock()
			if len(tt.inbox.mails) > 0 {
				t.Errorf("%d mails were sent, to %q", len(tt.inbox.mails), tt.inbox.to)
			}
		})
	}
}

// TestPasswordNeedsTLS speaks to a server elsewhere that offers no TLS.
func TestPasswordNeedsTLS(t *testing.T) {
	i := &inbox{mechanisms: []string{"PLAIN"}}
	address := i.serve(t, nil, false)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, security := range []Security{SecurityAuto, SecurityInsecure} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		client, err := netsmtp.NewClient(conn, "mail.example")
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		c := Config{User: "jane", PasswordFile: file, Security: security}
		if err := c.login(client, "mail.example", &tls.Config{}); err == nil || !strings.Contains(err.Error(), "passwords are sent over TLS only") {
			t.Errorf("%s: error %v", security, err)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.users) > 0 {
		t.Errorf("the password was sent: %q", i.users)
	}
}

// TestNoAnswer gives up on a server that accepts connections and says nothing.
func TestNoAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := listener.Accept(); err == nil {
			defer conn.Close()
			cancel()
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	c := Config{From: "a@example.com", To: []string{"b@example.net"}, SMTP: listener.Addr().String()}
	if err := c.Send(ctx, &sample); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	listener.Close()
	if err := c.Send(t.Context(), &sample); err == nil || !strings.Contains(err.Error(), "check --mail.smtp") {
		t.Errorf("error %v", err)
	}
}

// TestSendmail runs a program that keeps what it gets.
func TestSendmail(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "sendmail")
	if err := os.WriteFile(program, []byte("#!/bin/sh\ncat >"+dir+"/mail\nfor a; do echo \"$a\"; done >"+dir+"/args\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := Config{From: "a@example.com", To: []string{"b@example.net", "-oops@example.net"}, Sendmail: program}
	if err := c.Send(t.Context(), &sample); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "mail"))
	if err != nil || bytes.Contains(content, []byte("\r")) {
		t.Fatalf("%v, or a line ends with CR:\n%q", err, content)
	}
	compare(t, content, &c, &sample)
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if want := "-i\n-f\na@example.com\n--\nb@example.net\n-oops@example.net\n"; err != nil || string(args) != want {
		t.Errorf("arguments %q, want %q", args, want)
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho 'postdrop: no rights\x1b' >&2\nexit 75\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	err = c.Send(t.Context(), &sample)
	if want := "exit status 75: postdrop: no rights : run it by hand, or use --mail.smtp"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	c.Sendmail = filepath.Join(dir, "none")
	if err := c.Send(t.Context(), &sample); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
}
