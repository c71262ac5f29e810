package compose

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"
)

// Mail is a mail with a report, ready to be signed and sent.
type Mail struct {
	From mail.Address
	To   []mail.Address
	// Subject and MessageID are as RFC 9990, section 3.5 wants them; the message
	// identifier has no angle brackets.
	Subject, MessageID string
	// Filename is that of the attachment with an aggregate report; empty for a
	// failure report.
	Filename string
	// ReportID is the identifier of the report in this mail.
	ReportID string

	date      time.Time
	multipart string // the media type of the whole, without its boundary
	parts     []part
}

// part is a part of a mail.
type part struct {
	header string // lines with their ends
	body   []byte // in lines, unless it is packed
	packed bool   // the body is written in base64
}

// WriteTo writes the mail with CRLF line ends. It can be called again.
func (m *Mail) WriteTo(w io.Writer) (int64, error) {
	from, to := m.From.String(), make([]string, len(m.To))
	for i := range m.To {
		to[i] = m.To[i].String()
	}
	for _, s := range append([]string{m.Subject, m.Filename, m.MessageID, from}, to...) {
		if strings.ContainsAny(s, "\r\n\x00") {
			return 0, fmt.Errorf("write mail: %q is no text of a header field", s)
		}
	}
	var b bytes.Buffer
	boundary := "report-" + m.MessageID[:min(16, len(m.MessageID))]
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s>\r\nMIME-Version: 1.0\r\n",
		from, strings.Join(to, ",\r\n "), folded("Subject", m.Subject), m.date.UTC().Format(time.RFC1123Z), m.MessageID)
	fmt.Fprintf(&b, "Content-Type: %s; boundary=%q\r\nAuto-Submitted: auto-generated\r\n\r\n", m.multipart, boundary)
	for _, p := range m.parts {
		fmt.Fprintf(&b, "--%s\r\n%s\r\n", boundary, p.header)
		if !p.packed {
			b.Write(p.body)
			b.WriteString("\r\n")
			continue
		}
		const line = 57 // bytes of which 76 characters are made
		for rest := p.body; len(rest) > 0; rest = rest[min(line, len(rest)):] {
			b.Write(base64.StdEncoding.AppendEncode(b.AvailableBuffer(), rest[:min(line, len(rest))]))
			b.WriteString("\r\n")
		}
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.WriteTo(w)
}

// folded breaks a header field in front of words that do not fit into its line.
func folded(name, text string) string {
	const line = 76
	if len(name)+len(": ")+len(text) <= line {
		return text
	}
	var b strings.Builder
	used := len(name) + len(":")
	for i, word := range strings.Fields(text) {
		if used+1+len(word) > line && i > 0 {
			b.WriteString("\r\n")
			used = 0
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		used += 1 + len(word)
	}
	return b.String()
}
