package smtp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/ingesttest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/smtp"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// client speaks a protocol by hand.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func speak(t testing.TB, s *smtp.Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(realtest.Patience))
	c := &client{t: t, Conn: conn, r: bufio.NewReader(conn)}
	c.hear()
	return c
}

// hear returns the code of an answer, "" at the end of the connection.
func (c *client) hear() string {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return ""
		}
		if len(line) > 3 && line[3] == ' ' {
			return line[:3]
		}
	}
}

// say sends bytes and returns the code of the answer.
func (c *client) say(format string, values ...any) string {
	c.send(format, values...)
	return c.hear()
}

func (c *client) send(format string, values ...any) { fmt.Fprintf(c, format, values...) }

// converse says lines and compares the codes of the answers.
func (c *client) converse(lines ...string) {
	c.t.Helper()
	for i := 0; i < len(lines); i += 2 {
		if got := c.say("%s\r\n", lines[i]); got != lines[i+1] {
			c.t.Errorf("%.60q: answer %q, want %q", lines[i], got, lines[i+1])
		}
	}
}

// counting is a Deliver that counts mails.
func counting() (*atomic.Int64, ingest.Deliver) {
	n := &atomic.Int64{}
	return n, ingesttest.Single(func(_ context.Context, d *ingest.Delivery) (ingest.Result, error) {
		n.Add(1)
		_, err := io.Copy(io.Discard, d.Body)
		return ingest.Result{Counted: 1}, err
	})
}

// TestSmuggling stalls within a mail beyond the timeout and goes on with what
// looks like another one. Nothing of it may be taken for a command.
func TestSmuggling(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		for name, begin := range map[string]string{
			"DATA": "DATA\r\n", "BDAT": "BDAT 1000\r\n", "second BDAT": "BDAT 1\r\nxBDAT 1000\r\n", "BDAT too large": "BDAT 99999999999\r\n",
		} {
			t.Run(fmt.Sprintf("%s, LMTP %t", name, lmtp), func(t *testing.T) {
				t.Parallel()
				s := open(t, smtp.Config{LMTP: lmtp, Timeout: 100 * time.Millisecond})
				delivered, deliver := counting()
				run(t, s, deliver)
				c := speak(t, s)
				c.converse(map[bool]string{false: "EHLO x", true: "LHLO x"}[lmtp], "250", "MAIL FROM:<>", "250", "RCPT TO:<"+rua+">", "250")
				c.send("%sSubject: slow\r\n\r\nbody", begin)
				code := c.hear()
				for code != "" && code < "400" {
					code = c.hear()
				}
				if code != "421" {
					t.Errorf("answer %q to a stall, want 421", code)
				}
				// What follows is the rest of the mail.
				c.send("\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n", rua)
				if code := c.hear(); code != "" {
					t.Errorf("answer %q to the rest, want none", code)
				}
				if n := delivered.Load(); n != 0 {
					t.Errorf("%d mails were delivered", n)
				}
				if n := s.Status().Listener.Rejections["broken_body"]; n == 0 {
					t.Error("the broken mail is not counted")
				}
			})
		}
	}
}

// TestEndOfData takes only a dot between two CRLF for the end of a mail.
func TestEndOfData(t *testing.T) {
	s := open(t, smtp.Config{})
	var got atomic.Value
	run(t, s, ingesttest.Single(func(_ context.Context, d *ingest.Delivery) (ingest.Result, error) {
		text, err := io.ReadAll(d.Body)
		got.Store(string(text))
		return ingest.Result{Counted: 1}, err
	}))
	c := speak(t, s)
	long := strings.Repeat("x", 8191)
	for _, test := range []struct{ sent, want string }{
		{"a\r\n", "a\r\n"},
		{"", ""},
		{"a\n.\nb\r\n", "a\n.\nb\r\n"},
		{"a\n.\r\nb\r\n", "a\n.\r\nb\r\n"},
		{"a\r.\r\nb\r\n", "a\r.\r\nb\r\n"},
		{"a\r\n.\nb\r\n", "a\r\n\nb\r\n"},
		{"a\r\n.\rb\r\n", "a\r\n\rb\r\n"},
		{"..\r\n..b\r\n", ".\r\n.b\r\n"},
		{long + "\r\n..\r\n", long + "\r\n.\r\n"},
		{long[:4095] + "\r\n..c\r\n", long[:4095] + "\r\n.c\r\n"},
		{long[:4094] + "\r\n..c\r\n", long[:4094] + "\r\n.c\r\n"},
	} {
		c.converse("EHLO x", "250", "MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME SMTPUTF8", "250", "RCPT TO:<"+rua+">", "250", "DATA", "354")
		if code := c.say("%s.\r\n", test.sent); code != "250" || got.Load() != test.want {
			t.Errorf("%.40q: answer %s, mail %.40q, want %.40q", test.sent, code, got.Load(), test.want)
		}
	}
	c.converse("MAIL FROM:<>", "250", "RCPT TO:<"+rua+">", "250")
	for _, part := range []string{"BDAT 3\r\nabc", "BDAT 0\r\n", "BDAT 4 LAST\r\n.\r\nx"} {
		if code := c.say("%s", part); code != "250" {
			t.Errorf("%q: answer %q, want 250", part, code)
		}
	}
	if want := "abc.\r\nx"; got.Load() != want {
		t.Errorf("mail in chunks %q, want %q", got.Load(), want)
	}
}

// TestConversation has the answers to commands in and out of order.
func TestConversation(t *testing.T) {
	s := open(t, smtp.Config{MaxBytes: 1000})
	_, deliver := counting()
	run(t, s, deliver)
	c := speak(t, s)
	c.converse(
		"MAIL FROM:<>", "503", "LHLO x", "500", "EHLO", "501", "EHLO x", "250", "HELO x", "250",
		"RCPT TO:<"+rua+">", "503", "DATA", "503", "NOOP", "250", "VRFY x", "252", "AUTH PLAIN x", "502", "FOO", "500", "STARTTLS", "502",
		"MAIL FROM:<a@b> SIZE=1001", "552", "MAIL FROM:<a@b> SIZE=-1", "501", "MAIL FROM:<a@b> FOO=1", "555", "MAIL", "501", "MAIL FROM:<a@b", "501",
		"MAIL FROM:a@b SIZE=1000", "250", "MAIL FROM:<>", "503", "RCPT TO:<postmaster>", "250", "RCPT TO:<PostMaster>", "250",
		"RCPT TO:<@relay.example:"+rua+">", "250", `RCPT TO:<"rua"@example.com>`, "250", "RCPT TO:<"+rua+"> NOTIFY=NEVER", "555",
		"RSET", "250", "RCPT TO:<"+rua+">", "503", "QUIT", "221",
	)
	if code := c.hear(); code != "" {
		t.Errorf("answer %s after the end", code)
	}
}

// TestPipelining answers commands that come together, also before half a command,
// and takes as many recipients as a mail may have.
func TestPipelining(t *testing.T) {
	s := open(t, smtp.Config{})
	_, deliver := counting()
	run(t, s, deliver)
	c := speak(t, s)
	c.send("EHLO x\r\nMAIL FROM:<>\r\nRC")
	for range 2 {
		if code := c.hear(); code != "250" {
			t.Errorf("answer %q, want 250", code)
		}
	}
	c.send("PT TO:<%[1]s>\r\n%[2]s", rua, strings.Repeat("RCPT TO:<"+rua+">\r\n", 149))
	codes := map[string]int{}
	for range 150 {
		codes[c.hear()]++
	}
	if codes["250"] != 100 || codes["452"] != 50 {
		t.Errorf("answers %v, want 100 recipients taken and 50 for another mail", codes)
	}
	c.converse("DATA", "354", "Subject: x\r\n\r\nx\r\n.", "250")
}

// TestLimits ends sessions that cost more than a mail is worth.
func TestLimits(t *testing.T) {
	flood := func(line string) func(c *client) {
		return func(c *client) {
			for range 1000 {
				c.send("%s\r\n", line)
			}
		}
	}
	for name, test := range map[string]struct {
		do     func(c *client)
		reason string
		last   string
	}{
		"commands":         {flood("NOOP"), "no_mail", "421"},
		"errors":           {flood("FOO"), "errors", "421"},
		"recipients":       {func(c *client) { c.converse("EHLO x", "250", "MAIL FROM:<>", "250"); flood("RCPT TO:<x@y.example>")(c) }, "errors", "421"},
		"long line":        {func(c *client) { c.send("%s", strings.Repeat("x", 4097)) }, "long_line", "500"},
		"a MiB":            {func(c *client) { c.send("%s", strings.Repeat("x", 1<<20)) }, "long_line", ""},
		"silence":          {func(*client) {}, "idle", "421"},
		"drops of a line":  {func(c *client) { c.send("NO") }, "idle", "421"},
		"TLS out of order": {func(c *client) { c.send("EHLO x\r\nSTARTTLS\r\nMAIL FROM:<>\r\n") }, "starttls", "421"},
		"no TLS":           {func(c *client) { c.converse("STARTTLS", "220"); c.send("MAIL FROM:<>\r\n\r\n") }, "starttls", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certificate, _ := certify(t)
			s := open(t, smtp.Config{Timeout: 300 * time.Millisecond, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}})
			_, deliver := counting()
			run(t, s, deliver)
			c := speak(t, s)
			go test.do(c)
			realtest.Eventually(t, "cut off", func() bool { return s.Status().Listener.Rejections[test.reason] > 0 && s.Status().Listener.Open == 0 })
			if test.last != "" && test.reason != "errors" && test.reason != "no_mail" {
				last := ""
				for code := c.hear(); code != ""; code = c.hear() {
					last = code
				}
				if last != test.last {
					t.Errorf("last answer %q, want %s", last, test.last)
				}
			}
		})
	}
}

// TestCrowd lets many clients hold their places without a mail. An honest one,
// even from their address, is served all the same, and mails under way are not
// cut off for it.
func TestCrowd(t *testing.T) {
	store := ingesttest.Store(t)
	pipeline := ingest.NewPipeline(store, ingest.PipelineConfig{})
	s := open(t, smtp.Config{Connections: 8, PerAddress: 4})
	run(t, s, pipeline.Deliver)
	busy := speak(t, s)
	busy.converse("EHLO x", "250", "MAIL FROM:<>", "250", "RCPT TO:<"+rua+">", "250", "DATA", "354")
	for n := range 30 {
		holder := speak(t, s)
		holder.send("NOOP\r\n")
		if n%10 == 0 {
			if err := send(dial(t, s, false), letter(ingesttest.Report(fmt.Sprint(n), 1))); err != nil {
				t.Errorf("an honest client: %v", err)
			}
		}
	}
	if code := busy.say("%s.\r\n", letter(ingesttest.Report("busy", 1))); code != "250" {
		t.Errorf("the mail under way: answer %q, want 250", code)
	}
	l := s.Status().Listener
	if l.Open > 4 || l.Accepted != 34 || l.Rejections["crowded"] < 28 {
		t.Errorf("%+v, want at most 4 open of 34, and the others pushed out", l)
	}
	if n := ingesttest.Sum(store, tally.Messages); n != 4 {
		t.Errorf("%d messages, want 4", n)
	}
}
