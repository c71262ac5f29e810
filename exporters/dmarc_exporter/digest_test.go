package main

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestDigestDelivered gives a digest to the delivery agent of a real Dovecot, as
// a sendmail program would, and reads it out of the mailbox.
func TestDigestDelivered(t *testing.T) {
	t.Parallel()
	server := realtest.Dovecot(t)
	agent := "/usr/lib/dovecot/dovecot-lda"
	if _, err := os.Stat(agent); err != nil {
		t.Skip(err)
	}
	sendmail := filepath.Join(t.TempDir(), "sendmail")
	script := fmt.Sprintf("#!/bin/sh\nexec %s -c %s/dovecot.conf -d team\n", agent, server.Dir)
	if err := os.WriteFile(sendmail, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"report", "digest", "--mail.from=dmarc@example.com", "--mail.to=team@example.net", "--mail.sendmail=" + sendmail, sampleDir}
	var stdout, stderr bytes.Buffer
	run(args, nil, &stdout, &stderr) // One sample is damaged.
	files := server.Mails(t, "team", "INBOX")
	if len(files) != 1 {
		t.Fatalf("%d mails in the mailbox, want 1: %s", len(files), stderr.String())
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header.Get("Subject"); !strings.HasPrefix(got, "DMARC digest, ") {
		t.Errorf("subject %q, want a digest", got)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []struct{ kind, text string }{
		{"text/plain; charset=utf-8", "DMARC digest, "},
		{"text/html; charset=utf-8", "<!DOCTYPE html>"},
	} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		body := io.Reader(part)
		if part.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			body = quotedprintable.NewReader(part)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := part.Header.Get("Content-Type"); got != want.kind || !strings.HasPrefix(string(text), want.text) {
			t.Errorf("a part of %q begins with %.40q, want %q with %q", got, text, want.kind, want.text)
		}
		if !strings.Contains(string(text), "example.com") {
			t.Errorf("the part of %q does not name example.com", want.kind)
		}
	}
}
