package compose

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Report is a report that is to be sent.
type Report struct {
	// Head is the report without its records: metadata and published policy.
	Head dmarc.Report
	// Rows are its records, at least one.
	Rows *Rows
	// Submitter is the domain of the receiver who reports.
	Submitter string
	// From and To are mail addresses. Reports must pass DMARC themselves: From
	// belongs to a domain that signs them.
	From mail.Address
	To   []mail.Address
	// Date is when the mails are written.
	Date time.Time
	// MaxBytes is how long a mail may be: what the servers on the way take, or
	// the smallest limit of the destinations. 0 means 10 MiB.
	MaxBytes int64
}

// ErrTooLarge says that not even one record fits into a mail.
var ErrTooLarge = errors.New("a mail with one record is longer than mails may be")

// Mails composes the report and calls send with each mail, of which there is one
// unless the report is too large. Then it is divided into several reports with
// identifiers of their own: the first has that of Head, the others have a number
// behind it. Composing the same report again gives the same mails, which is how
// receivers recognise one that is sent again. The mail is the caller's.
//
// What a report cannot have is refused with a dmarc.Deviation before anything is
// sent that has it; mails before it were sent.
func (r *Report) Mails(send func(*Mail) error) error {
	c := &composer{report: r, limit: cmp.Or(r.MaxBytes, 10<<20), fields: r.fieldsSize()}
	if err := c.begin(); err != nil {
		return err
	}
	err := r.Rows.Each(func(rec *dmarc.Record) error {
		if !c.fits(rec) {
			if c.records == 0 {
				return ErrTooLarge
			}
			if err := c.send(send); err != nil {
				return err
			}
			if err := c.begin(); err != nil {
				return err
			}
			if !c.fits(rec) {
				return ErrTooLarge
			}
		}
		c.records++
		return c.encoder.Record(rec)
	})
	if err != nil {
		return err
	}
	return c.send(send)
}

// composer writes one mail after the other.
type composer struct {
	report  *Report
	limit   int64
	fields  int64 // what the header of a mail takes at most
	part    int
	head    dmarc.Report
	records int

	document bytes.Buffer // compressed
	gzip     *gzip.Writer
	encoder  *dmarc.Encoder
	pending  int64 // an upper bound of what the next flush adds to document
}

func (c *composer) begin() error {
	c.part++
	c.records = 0
	c.head = c.report.Head
	if c.part > 1 {
		c.head.Metadata.ReportID = numbered(c.head.Metadata.ReportID, c.part)
	}
	c.document = bytes.Buffer{}
	c.gzip, _ = gzip.NewWriterLevel(&c.document, gzip.BestSpeed) // The level is one that there is.
	c.encoder = dmarc.NewEncoder(c.gzip)
	c.pending = tail
	return c.encoder.Header(&c.head)
}

// numbered puts a number behind the local part of an identifier.
func numbered(id string, part int) string {
	local, domain, ok := strings.Cut(id, "@")
	id = fmt.Sprintf("%s.%d", local, part)
	if ok {
		id += "@" + domain
	}
	return id
}

const (
	// tail is more than what a report takes besides its records and the header of
	// its mail; flushEvery how much may be written before its size is looked at.
	tail       = 4 << 10
	flushEvery = 256 << 10
)

// fits reports whether a record can be added to a mail, in the worst case that
// nothing of it can be compressed.
func (c *composer) fits(rec *dmarc.Record) bool {
	size := recordSize(rec)
	if c.pending+size > flushEvery || c.mailSize(c.pending+size) > c.limit {
		// Both write to memory.
		_ = c.encoder.Flush()
		_ = c.gzip.Flush()
		c.pending = tail
	}
	c.pending += size
	return c.mailSize(c.pending) <= c.limit
}

// mailSize is how long a mail is at most when so many bytes come to the document.
func (c *composer) mailSize(more int64) int64 {
	const line = 76
	encoded := int64(base64.StdEncoding.EncodedLen(c.document.Len() + int(more)))
	return c.fields + encoded + encoded/line*2 + tail
}

// fieldsSize is an upper bound of what the texts of a mail's header take.
func (r *Report) fieldsSize() int64 {
	n := len(r.From.String()) + 3*(len(r.Head.Policy.Domain)+len(r.Submitter)+len(r.Head.Metadata.ReportID))
	for i := range r.To {
		n += len(r.To[i].String()) + len(",\r\n ")
	}
	return int64(n)
}

// recordSize is an upper bound of the length of a record in a report: each
// character may be written as a reference.
func recordSize(rec *dmarc.Record) int64 {
	const character, element = 6, 256
	n := len(rec.HeaderFrom) + len(rec.EnvelopeFrom) + len(rec.EnvelopeTo)
	for _, r := range rec.Reasons {
		n += len(r.Type) + len(r.Comment)
	}
	for i := range rec.AuthDKIM {
		n += len(rec.AuthDKIM[i].Domain) + len(rec.AuthDKIM[i].Selector) + len(rec.AuthDKIM[i].HumanResult)
	}
	for i := range rec.AuthSPF {
		n += len(rec.AuthSPF[i].Domain) + len(rec.AuthSPF[i].HumanResult)
	}
	return int64(character*n + element*(4+len(rec.Reasons)+len(rec.AuthDKIM)+len(rec.AuthSPF)))
}

func (c *composer) send(send func(*Mail) error) error {
	if err := c.encoder.Close(); err != nil {
		return err
	}
	if err := c.gzip.Close(); err != nil {
		return fmt.Errorf("compose report: %w", err)
	}
	return send(newMail(c.report, &c.head, c.part, c.document.Bytes()))
}

// newMail makes the mail of a report whose document is compressed.
func newMail(r *Report, head *dmarc.Report, number int, document []byte) *Mail {
	m := &head.Metadata
	name := fmt.Sprintf("%s!%s!%d!%d", r.Submitter, head.Policy.Domain, m.Begin.Unix(), m.End.Unix())
	if number > 1 {
		name += fmt.Sprintf("!%d", number)
	}
	name += ".xml.gz"
	text := fmt.Sprintf("This is a DMARC aggregate report of %s about %s,\r\nfrom %s until %s.\r\n",
		r.Submitter, head.Policy.Domain, m.Begin.UTC().Format(time.RFC3339), m.End.UTC().Format(time.RFC3339))
	sum := sha256.Sum256(document)
	return &Mail{
		From: r.From, To: r.To, ReportID: m.ReportID, Filename: name,
		Subject:   fmt.Sprintf("Report Domain: %s Submitter: %s Report-ID: <%s>", head.Policy.Domain, r.Submitter, strings.Trim(m.ReportID, "<>")),
		MessageID: fmt.Sprintf("%x@%s", sum[:16], r.Submitter),
		date:      r.Date, multipart: "multipart/mixed",
		parts: []part{
			{header: "Content-Type: text/plain; charset=us-ascii\r\n", body: []byte(text)},
			{header: "Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: " +
				mime.FormatMediaType("attachment", map[string]string{"filename": name}) + "\r\n", body: document, packed: true},
		},
	}
}
