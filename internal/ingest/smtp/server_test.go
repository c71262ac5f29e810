package smtp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
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
)

const recipient = "reports@example.com"

func mail(content []byte) []byte {
	return fmt.Appendf(nil, "From: reports@mail.example\r\nTo: %s\r\nSubject: Report\r\n\r\n%s\r\n", recipient, content)
}

// send sends a mail as a mail server would. Its error is the server's answer.
func send(address string, lmtp bool, to string, content []byte) error {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	conn, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return err
	}
	client := gosmtp.NewClient(conn)
	if lmtp {
		client = gosmtp.NewClientLMTP(conn)
	}
	defer client.Close()
	if err := client.Mail("bounces@mail.example", nil); err != nil {
		return err
	}
	if err := client.Rcpt(to, nil); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.Close()
}

// code returns the code of the server's answer, 250 when there is no error, 0 when there was no answer.
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

func TestConforms(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		t.Run(fmt.Sprintf("lmtp %t", lmtp), func(t *testing.T) {
			ingesttest.Run(t, func(t *testing.T) ingesttest.World { return world(t, lmtp) })
		})
	}
}

// world has a sender that tries again until a mail is taken or refused for good, as a queue does.
func world(t *testing.T, lmtp bool) ingesttest.World {
	socket := filepath.Join(t.TempDir(), "s")
	var pending atomic.Int64
	return ingesttest.World{
		Source: func(t testing.TB, _ ingest.Marks) ingest.Source {
			s, err := smtp.New(smtp.Config{Listen: "unix:" + socket, LMTP: lmtp, Recipients: []string{recipient}, Timeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Offer: func(t testing.TB, _ string, content []byte) {
			pending.Add(1)
			ctx := t.Context()
			go func() {
				for ctx.Err() == nil {
					if c := code(send(socket, lmtp, recipient, mail(content))); c == 250 || c >= 500 {
						pending.Add(-1)
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}()
		},
		Pending:   func(testing.TB) int { return int(pending.Load()) },
		Forgetful: true,
	}
}

// start runs a server on a free port until the test ends.
func start(t *testing.T, c smtp.Config, deliver ingest.Deliver) (address string) {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	s, err := smtp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.Run(ctx, deliver); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		group.Wait()
	})
	ingesttest.Eventually(t, "listening", func() bool { return s.Addr() != nil })
	return s.Addr().String()
}

// TestAnswers holds the answer to each kind of mail.
func TestAnswers(t *testing.T) {
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	var broken atomic.Bool
	address := start(t, smtp.Config{Recipients: []string{recipient, "@wild.example"}, MaxBytes: 100_000}, func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
		if broken.Load() {
			return ingest.Result{}, errors.New("disk full")
		}
		return pipeline.Deliver(ctx, d)
	})
	report := mail(ingesttest.Report("one", 3))
	for _, tc := range []struct {
		name, to string
		content  []byte
		broken   bool
		want     int
		text     string
	}{
		{"report", recipient, report, false, 250, ""},
		{"again", "Reports@EXAMPLE.com", report, false, 250, ""},
		{"any of a domain", "x@wild.example", mail(ingesttest.Report("two", 4)), false, 250, ""},
		{"store unwell", recipient, report, true, 451, "try again later"},
		{"no report", recipient, mail([]byte("Buy now!")), false, 554, "not_a_report"},
		{"too large", recipient, mail(bytes.Repeat([]byte("x\r\n"), 50_000)), false, 552, ""},
		{"other recipient", "root@example.com", report, false, 550, "No such recipient"},
		{"no domain", "reports", report, false, 501, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			broken.Store(tc.broken)
			err := send(address, false, tc.to, tc.content)
			if got := code(err); got != tc.want || err != nil && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("answer %v, want %d %s", err, tc.want, tc.text)
			}
		})
	}
	if n := ingesttest.Sum(store, tally.Messages); n != 7 {
		t.Errorf("%d messages, want 7", n)
	}
}

// TestCutMail ends the connection in the middle of a mail: nothing is counted.
func TestCutMail(t *testing.T) {
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	delivered := make(chan error, 1)
	address := start(t, smtp.Config{Recipients: []string{recipient}}, func(ctx context.Context, d *ingest.Delivery) (ingest.Result, error) {
		r, err := pipeline.Deliver(ctx, d)
		delivered <- err
		return r, err
	})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	whole := mail(ingesttest.Report("cut", 3))
	if _, err := fmt.Fprintf(conn, "HELO mail.example\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n%s", recipient, whole); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := send(address, false, recipient, mail(ingesttest.Report("next", 1))); err != nil {
		t.Fatal(err)
	}
	<-delivered
	if n := ingesttest.Sum(store, tally.Messages); n != 1 {
		t.Errorf("%d messages, want only the 1 of the next mail", n)
	}
}

// TestSTARTTLS refuses mail before STARTTLS and takes it after.
func TestSTARTTLS(t *testing.T) {
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	defer certificates.Close()
	pipeline := ingest.NewPipeline(ingesttest.Store(t), ingest.PipelineConfig{})
	address := start(t, smtp.Config{Recipients: []string{recipient}, TLS: certificates.TLS, RequireTLS: true}, pipeline.Deliver)
	if got := code(send(address, false, recipient, nil)); got != 530 {
		t.Errorf("answer %d without TLS, want 530", got)
	}
	client, err := gosmtp.DialStartTLS(address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SendMail("", []string{recipient}, bytes.NewReader(mail(ingesttest.Report("tls", 1)))); err != nil {
		t.Error(err)
	}
}

// TestSocket replaces a socket that a killed process left, but not one in use.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := smtp.New(smtp.Config{Listen: "unix:" + path, LMTP: true, Recipients: []string{recipient}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("Run: %v, want an error about a socket in use", err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, nil) }()
	ingesttest.Eventually(t, "listening", func() bool { return s.Status().Up })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}

func TestNewErrors(t *testing.T) {
	for _, tc := range []struct {
		config smtp.Config
		want   string
	}{
		{smtp.Config{}, "no address"},
		{smtp.Config{Listen: ":25"}, "no recipients"},
		{smtp.Config{Listen: ":25", Recipients: []string{recipient}, RequireTLS: true}, "no certificate"},
	} {
		if _, err := smtp.New(tc.config); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("New(%+v): %v, want an error with %q", tc.config, err, tc.want)
		}
	}
}
