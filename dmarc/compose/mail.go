package compose

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Mail is a mail with a report, ready to be signed and sent.
type Mail struct {
	From mail.Address
	To   []mail.Address
	// Subject, Filename and MessageID are as RFC 9990, section 3.5 wants them; the
	// message identifier has no angle brackets.
	Subject, Filename, MessageID string
	// ReportID is the identifier of the report in this mail.
	ReportID string

	date     time.Time
	text     string
	document []byte // gzip
}

func newMail(r *Report, head *dmarc.Report, part int, document []byte) *Mail {
	m := &head.Metadata
	name := fmt.Sprintf("%s!%s!%d!%d", r.Submitter, head.Policy.Domain, m.Begin.Unix(), m.End.Unix())
	if part > 1 {
		name += fmt.Sprintf("!%d", part)
	}
	sum := sha256.Sum256(document)
	return &Mail{
		From: r.From, To: r.To, ReportID: m.ReportID, Filename: name + ".xml.gz",
		Subject:   fmt.Sprintf("Report Domain: %s Submitter: %s Report-ID: <%s>", head.Policy.Domain, r.Submitter, strings.Trim(m.ReportID, "<>")),
		MessageID: fmt.Sprintf("%x@%s", sum[:16], r.Submitter),
		date:      r.Date, document: document,
		text: fmt.Sprintf("This is a DMARC aggregate report of %s about %s,\r\nfrom %s until %s.\r\n",
			r.Submitter, head.Policy.Domain, m.Begin.UTC().Format(time.RFC3339), m.End.UTC().Format(time.RFC3339)),
	}
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
	boundary := "report-" + m.MessageID[:16]
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s>\r\nMIME-Version: 1.0\r\n",
		from, strings.Join(to, ",\r\n "), folded(m.Subject), m.date.UTC().Format(time.RFC1123Z), m.MessageID)
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\r\nAuto-Submitted: auto-generated\r\n\r\n", boundary)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n%s\r\n", boundary, m.text)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n%s\r\n\r\n", boundary,
		"Content-Disposition: "+mime.FormatMediaType("attachment", map[string]string{"filename": m.Filename}))
	const line = 57 // bytes of which 76 characters are made
	for rest := m.document; len(rest) > 0; rest = rest[min(line, len(rest)):] {
		b.Write(base64.StdEncoding.AppendEncode(b.AvailableBuffer(), rest[:min(line, len(rest))]))
		b.WriteString("\r\n")
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.WriteTo(w)
}

// folded breaks a header field in front of words that do not fit into its line.
func folded(text string) string {
	const line = 76
	var b strings.Builder
	used := len("Subject:")
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
