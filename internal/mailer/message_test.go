package mailer

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"
)

// received is what a reader finds in a mail.
type received struct {
	from, to, subject string
	text, html        string
	header            mail.Header
}

// parse reads a mail as a program for mail does.
func parse(t testing.TB, content []byte) *received {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("%v in\n%s", err, content)
	}
	r := &received{from: m.Header.Get("From"), to: m.Header.Get("To"), header: m.Header}
	if r.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %s, %v", kind, err)
	}
	parts := multipart.NewReader(m.Body, parameters["boundary"])
	for _, p := range []struct {
		kind string
		into *string
	}{{"text/plain; charset=utf-8", &r.text}, {"text/html; charset=utf-8", &r.html}} {
		part, err := parts.NextPart()
		if err != nil || part.Header.Get("Content-Type") != p.kind {
			t.Fatalf("%v, %v, want %s", part, err, p.kind)
		}
		body, err := io.ReadAll(part) // It takes quoted-printable off.
		if err != nil {
			t.Fatal(err)
		}
		*p.into = strings.ReplaceAll(string(body), "\r\n", "\n")
	}
	if part, err := parts.NextPart(); err != io.EOF {
		t.Fatalf("a third part: %v, %v", part, err)
	}
	return r
}

// compare holds what was received to what was sent.
func compare(t testing.TB, content []byte, c *Config, m *Message) {
	t.Helper()
	got := parse(t, content)
	if got.text != m.Text || got.html != m.HTML || got.subject != m.Subject {
		t.Errorf("got subject %q\n%s\n%s\nwant %q\n%s\n%s", got.subject, got.text, got.html, m.Subject, m.Text, m.HTML)
	}
	for field, want := range map[string][]string{"From": {c.From}, "To": c.To} {
		list, err := got.header.AddressList(field)
		if err != nil || len(list) != len(want) {
			t.Fatalf("%s: %v, %v, want %q", field, list, err, want)
		}
		for i, a := range list {
			if w, err := mail.ParseAddress(want[i]); err != nil || *w != *a {
				t.Errorf("%s %v, want %v, %v", field, a, w, err)
			}
		}
	}
}

// sample has what quoted-printable and SMTP treat in their own way.
var sample = Message{
	Subject: "DMARC digest, 2026-11-23 to 2026-11-29: 951 messages, 89.1% pass",
	Text:    "Grüße\n.\n..dot\nFrom here\nspace at the end \n" + strings.Repeat("long ", 50) + "\n=3D\n",
	HTML:    "<!DOCTYPE html>\n<p style=\"color:#fff\">" + strings.Repeat("ü", 300) + "</p>\n",
}

// TestEncode reads back what is written, and holds it to RFC 5322.
func TestEncode(t *testing.T) {
	many := make([]string, 30)
	for i := range many {
		many[i] = fmt.Sprintf("\"Person, %d\" <person%d@example.com>", i, i)
	}
	for name, tt := range map[string]struct {
		config  Config
		message Message
	}{
		"sample": {Config{From: "dmarc@example.com", To: []string{"a@example.net"}}, sample},
		"names":  {Config{From: "Jörg Müller <dmarc@example.com>", To: many}, Message{Subject: "x", Text: "x\n", HTML: "x"}},
		"long":   {Config{From: "a@b.example", To: []string{"c@d.example"}}, Message{Subject: strings.Repeat("Größe ", 60) + "x", Text: "", HTML: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			from, to, err := tt.config.addresses()
			if err != nil {
				t.Fatal(err)
			}
			content, err := tt.message.encode(from, to, time.Date(2026, 11, 30, 7, 0, 0, 0, time.UTC))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, content, &tt.config, &tt.message)
			if bytes.Count(content, []byte("\n")) != bytes.Count(content, []byte("\r\n")) || bytes.ContainsFunc(content, func(r rune) bool { return r > 0x7e }) {
				t.Errorf("lines do not end with CRLF, or a character is not ASCII:\n%q", content)
			}
			for _, line := range bytes.Split(content, []byte("\r\n")) {
				if len(line) > 78 {
					t.Errorf("%d characters, want at most 78: %s", len(line), line)
				}
			}
			header := mail.Header(parse(t, content).header)
			if date, err := header.Date(); err != nil || date.Unix() != 1796022000 {
				t.Errorf("date %v, %v", date, err)
			}
			if id := header.Get("Message-ID"); !regexp.MustCompile(`^<[A-Z2-7]{26}@(b\.example|example\.com)>$`).MatchString(id) {
				t.Errorf("message id %s", id)
			}
		})
	}
}

// TestNoInjection wants hostile texts to stay where they belong.
func TestNoInjection(t *testing.T) {
	c := Config{From: "a@example.com", To: []string{"b@example.com"}}
	from, to, err := c.addresses()
	if err != nil {
		t.Fatal(err)
	}
	from.Name = "x\r\nBcc: evil@example.net"
	m := Message{Subject: "a\r\nBcc: evil@example.net\r\n\r\nbody\x00", Text: "\r\n.\r\nMAIL FROM:<evil@example.net>\r\n", HTML: "\xff"}
	content, err := m.encode(from, to, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, content)
	if got.header.Get("Bcc") != "" || got.subject != "a  Bcc: evil@example.net    body" || got.html != "\uFFFD" {
		t.Errorf("%q", content)
	}
}
