package mailer

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// Message is a mail. Subject, Text and HTML are UTF-8.
type Message struct {
	Subject, Text, HTML string
}

// encode returns the mail as RFC 5322 wants it, with CRLF at the end of lines.
func (m *Message) encode(from *mail.Address, to []*mail.Address, now time.Time) ([]byte, error) {
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	// The last part is the one that readers prefer (RFC 2046, section 5.1.4).
	for _, p := range []struct{ kind, text string }{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		w, err := parts.CreatePart(textproto.MIMEHeader{
			"Content-Type": {p.kind + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
		})
		if err != nil {
			return nil, err
		}
		q := quotedprintable.NewWriter(w)
		if _, err := io.WriteString(q, strings.ToValidUTF8(p.text, "\uFFFD")); err != nil {
			return nil, err
		}
		if err := q.Close(); err != nil {
			return nil, err
		}
	}
	if err := parts.Close(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&out, "%s:%s\r\n", name, fold(len(name)+len(":"), value)) }
	var names []string
	for _, a := range to {
		names = append(names, a.String())
	}
	field("Date", now.Format(time.RFC1123Z))
	field("From", from.String())
	field("To", strings.Join(names, ", "))
	field("Subject", mime.QEncoding.Encode("utf-8", strings.TrimSpace(oneLine(m.Subject))))
	_, domain, _ := strings.Cut(from.Address, "@")
	field("Message-ID", "<"+rand.Text()+"@"+domain+">")
	field("Auto-Submitted", "auto-generated") // RFC 3834: nobody's vacation answers.
	field("MIME-Version", "1.0")
	field("Content-Type", `multipart/alternative; boundary="`+parts.Boundary()+`"`)
	out.WriteString("\r\n")
	out.Write(body.Bytes())
	return out.Bytes(), nil
}

// oneLine takes out of a text what has no place in a header or on a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// fold puts the value of a field behind its name, in lines of 78 characters
// where it can (RFC 5322, section 2.1.1). The first line has so many already.
func fold(used int, value string) string {
	const most = 78
	var b strings.Builder
	for _, word := range strings.Split(value, " ") {
		if word != "" && used+1+len(word) > most {
			b.WriteString("\r\n")
			used = 0
		}
		b.WriteString(" " + word)
		used += 1 + len(word)
	}
	return b.String()
}
