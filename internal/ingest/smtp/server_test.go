package smtp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/smtp"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const rua = "rua@example.com"

func letter(content []byte) string {
	return fmt.Sprintf("From: reports@mail.example\r\nTo: %s\r\nSubject: Report\r\n\r\n%s\r\n", rua, content)
}

func open(t testing.TB, c smtp.Config) *smtp.Server {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Recipients == nil {
		c.Recipients = []string{rua, "@Reports.example"}
	}
	c.Hostname = "mx.example.com"
	s, err := smtp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a server until the test, or stop, ends it.
func run(t testing.TB, s *smtp.Server, deliver ingest.Deliver) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, deliver) }()
	realtest.Eventually(t, "listening", func() bool { return s.Addr() != nil })
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// dial greets a server.
func dial(t testing.TB, s *smtp.Server, lmtp bool) *gosmtp.Client {
	t.Helper()
	c, err := connect(s.Addr(), lmtp)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func connect(addr net.Addr, lmtp bool) (*gosmtp.Client, error) {
	conn, err := net.DialTimeout(addr.Network(), addr.String(), 10*time.Second)
	if err != nil {
		return nil, err
	}
	c := gosmtp.NewClient(conn)
	if lmtp {
		c = gosmtp.NewClientLMTP(conn)
	}
	c.CommandTimeout, c.SubmissionTimeout = 20*time.Second, 20*time.Second
	if err := c.Hello("client.example"); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// code returns the code of an answer: 250 without an error, 0 without an answer.
func code(err error) int {
	var answer *gosmtp.SMTPError
	switch {
	case err == nil:
		return 250
	case errors.As(err, &answer):
		return answer.Code
	}
	return 0
}

func send(c *gosmtp.Client, mail string) error {
	return c.SendMail("reports@mail.example", []string{rua}, strings.NewReader(mail))
}

func TestConforms(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		t.Run(fmt.Sprintf("lmtp=%t", lmtp), func(t *testing.T) {
			ingesttest.Run(t, func(t *testing.T) ingesttest.World {
				var current atomic.Pointer[smtp.Server]
				var pending atomic.Int64
				// The queue of a mail server: it tries again until it has an answer for good.
				queue := func(ctx context.Context, mail string) {
					for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
						s := current.Load()
						if s == nil || s.Addr() == nil {
							continue
						}
						c, err := connect(s.Addr(), lmtp)
						if err != nil {
							continue
						}
						answer := code(send(c, mail))
						c.Close()
						if answer == 250 || answer >= 500 {
							pending.Add(-1)
							return
						}
					}
				}
				return ingesttest.World{
					Source: func(t testing.TB, _ ingest.Marks) ingest.Source {
						s := open(t, smtp.Config{LMTP: lmtp})
						current.Store(s)
						return s
					},
					Offer: func(t testing.TB, _ string, content []byte) {
						pending.Add(1)
						go queue(t.Context(), letter(content))
					},
					Pending:   func(testing.TB) int { return int(pending.Load()) },
					Forgetful: true,
				}
			})
		})
	}
}

// TestAnswers tells senders what became of their mails, after it is durable.
func TestAnswers(t *testing.T) {
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	var broken atomic.Bool
	s := open(t, smtp.Config{MaxBytes: 64 << 10})
	run(t, s, ingesttest.Single(func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
		if broken.Load() {
			return ingest.Result{}, errors.New("no space left on /secret/path")
		}
		return ingest.Deliver(pipeline.Deliver).One(ctx, d)
	}))
	c := dial(t, s, false)
	for _, test := range []struct {
		name   string
		mail   string
		broken bool
		want   int
		text   string
		sum    int64
	}{
		{name: "report", mail: letter(ingesttest.Report("a", 3)), want: 250, sum: 3},
		{name: "again", mail: letter(ingesttest.Report("a", 3)), want: 250, sum: 3},
		{name: "store unwell", mail: letter(ingesttest.Report("b", 4)), broken: true, want: 451, text: "try again later", sum: 3},
		{name: "store well", mail: letter(ingesttest.Report("b", 4)), want: 250, sum: 7},
		{name: "no report", mail: letter([]byte("Hello")), want: 554, text: "Not a report", sum: 7},
		{name: "damaged", mail: letter(ingesttest.Report("c", 4)[:300]), want: 554, text: "Not a report", sum: 7},
		{name: "as large as allowed", mail: fill(letter(ingesttest.Report("d", 1)), 64<<10-1), want: 250, sum: 8},
		{name: "too large", mail: fill(letter(ingesttest.Report("e", 1)), 64<<10+1), want: 552, sum: 8},
		{name: "after that", mail: letter(ingesttest.Report("f", 1)), want: 250, sum: 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			broken.Store(test.broken)
			err := send(c, test.mail)
			if code(err) != test.want || err != nil && !strings.Contains(err.Error(), test.text) {
				t.Errorf("answer %v, want %d with %q", err, test.want, test.text)
			}
			if err != nil && strings.Contains(err.Error(), "/secret/path") {
				t.Errorf("answer %v tells of the machine", err)
			}
			if n := ingesttest.Sum(store, tally.Messages); n != test.sum {
				t.Errorf("%d messages at the answer, want %d", n, test.sum)
			}
		})
	}
}

// fill makes a mail n bytes long.
func fill(mail string, n int) string {
	const line = "<!-- 0123456789012345678901234567890123456789 -->\r\n"
	mail += strings.Repeat(line, (n-len(mail))/len(line))
	return mail + strings.Repeat(" ", n-len(mail)-2) + "\r\n"
}

func TestRecipients(t *testing.T) {
	s := open(t, smtp.Config{})
	run(t, s, ingesttest.Single(func(context.Context, *ingest.Delivery) (ingest.Result, error) { return ingest.Result{}, nil }))
	c := dial(t, s, false)
	if err := c.Mail("", nil); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]int{
		rua: 250, "RUA@Example.com": 250, "anything@reports.example": 250,
		"other@example.com": 550, "rua@sub.reports.example": 550, "rua@example.com.evil.example": 550,
	} {
		if err := c.Rcpt(address, nil); code(err) != want {
			t.Errorf("%s: %v, want %d", address, err, want)
		}
	}
}

// TestLongLine takes XML without line breaks, which is as large as a mail may be.
func TestLongLine(t *testing.T) {
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	s := open(t, smtp.Config{})
	run(t, s, pipeline.Deliver)
	long := func(n int) string {
		return letter(fmt.Appendf(ingesttest.Report("a", 1), "<!-- %s -->", strings.Repeat("x", n)))
	}
	if err := send(dial(t, s, false), long(100<<10)); err != nil {
		t.Errorf("a long line: %v", err)
	}
	if err := send(dial(t, s, false), long(2<<20)); err != nil {
		t.Errorf("a very long line: %v", err)
	}
	if n := ingesttest.Sum(store, tally.Reports); n != 2 {
		t.Errorf("%d reports, want 2", n)
	}
}

func TestTLS(t *testing.T) {
	certificate, roots := certify(t)
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	s := open(t, smtp.Config{TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}, RequireTLS: true})
	run(t, s, pipeline.Deliver)
	if err := send(dial(t, s, false), letter(ingesttest.Report("a", 1))); code(err) != 530 {
		t.Errorf("without TLS: %v, want 530", err)
	}
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := gosmtp.NewClientStartTLS(conn, &tls.Config{RootCAs: roots, ServerName: "mx.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := send(c, letter(ingesttest.Report("a", 1))); err != nil || ingesttest.Sum(store, tally.Messages) != 1 {
		t.Errorf("with TLS: %v, %d messages", err, ingesttest.Sum(store, tally.Messages))
	}
}

// certify makes a certificate for mx.example.com.
func certify(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"mx.example.com"},
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, roots
}

// TestSlowClient is cut off although it never stops sending.
func TestSlowClient(t *testing.T) {
	s := open(t, smtp.Config{Timeout: 300 * time.Millisecond})
	var delivered atomic.Int64
	run(t, s, ingesttest.Single(func(context.Context, *ingest.Delivery) (ingest.Result, error) {
		delivered.Add(1)
		return ingest.Result{}, nil
	}))
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: x\r\n", rua)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.Copy(io.Discard, conn)
	}()
	limit := time.After(20 * time.Second)
	for {
		_, _ = io.WriteString(conn, "x")
		select {
		case <-closed:
			if delivered.Load() != 0 {
				t.Error("half a mail was delivered")
			}
			return
		case <-limit:
			t.Fatal("the client was not cut off")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TestCutOff does not deliver a mail whose sender went away.
func TestCutOff(t *testing.T) {
	s := open(t, smtp.Config{LMTP: true})
	var delivered atomic.Int64
	stop := run(t, s, ingesttest.Single(func(context.Context, *ingest.Delivery) (ingest.Result, error) {
		delivered.Add(1)
		return ingest.Result{}, nil
	}))
	conn, err := textproto.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"LHLO x", "MAIL FROM:<>", "RCPT TO:<" + rua + ">", "DATA", letter(ingesttest.Report("a", 1))} {
		if err := conn.PrintfLine("%s", line); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close()
	stop()
	if delivered.Load() != 0 {
		t.Error("a mail without an end was delivered")
	}
}

// TestShutdown answers the mail under way, and does not wait for idle clients.
func TestShutdown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lmtp.sock")
	s := open(t, smtp.Config{LMTP: true, Listen: "unix:" + path})
	began, finish := make(chan struct{}), make(chan struct{})
	stop := run(t, s, ingesttest.Single(func(ctx context.Context, _ *ingest.Delivery) (ingest.Result, error) {
		close(began)
		<-finish
		return ingest.Result{Counted: 1}, ctx.Err()
	}))
	idle := dial(t, s, true)
	busy := dial(t, s, true)
	answer := make(chan error, 1)
	go func() { answer <- send(busy, letter(ingesttest.Report("a", 1))) }()
	<-began
	stopped := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(stopped)
		stop()
	}()
	realtest.Eventually(t, "not listening", func() bool { return s.Addr() == nil })
	close(finish)
	if err := <-answer; err != nil {
		t.Errorf("the mail under way: %v", err)
	}
	<-stopped
	if took := time.Since(start); took > realtest.Patience/2 {
		t.Errorf("the shutdown took %s", took)
	}
	if err := idle.Noop(); err == nil {
		t.Error("the idle client is still served")
	}
	if s.Status().Up {
		t.Error("up after the shutdown")
	}
}

// TestInUse does not steal the socket of a running server, but that of a dead one.
func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lmtp.sock")
	deliver := ingesttest.Single(func(context.Context, *ingest.Delivery) (ingest.Result, error) { return ingest.Result{}, nil })
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	run(t, open(t, smtp.Config{LMTP: true, Listen: "unix:" + path}), deliver)
	second := open(t, smtp.Config{LMTP: true, Listen: "unix:" + path})
	if err := second.Run(t.Context(), deliver); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("second server: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]smtp.Config{
		"no address":            {Recipients: []string{rua}},
		"recipients is missing": {Listen: ":25"},
		"no certificate":        {Listen: ":25", Recipients: []string{rua}, RequireTLS: true},
	} {
		if _, err := smtp.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
	}
}
