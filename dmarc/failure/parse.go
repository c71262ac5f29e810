package failure

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Limits bounds what a Parser reads. A field that is zero or negative stands
// for its default, so the zero Limits is safe to use. A limit is the largest
// accepted value: one more is refused.
type Limits struct {
	// Bytes is the size of the mail (default 64 MiB), of which about 2 MiB at
	// most are held in memory.
	Bytes int64
	// Parts is the number of MIME parts, multiparts not counted (default 1000).
	Parts int
	// Depth is the number of multiparts around a part (default 10).
	Depth int
}

func (l Limits) withDefaults() Limits {
	text.Default(&l.Bytes, 64<<20)
	text.Default(&l.Parts, 1000)
	text.Default(&l.Depth, 10)
	return l
}

// Parser reads reports within its Limits. It holds no state: it may be copied
// and used concurrently.
type Parser struct {
	Limits Limits
	Text   dmarc.Text // knows more of host names than the standard library
}

// Parse reads one report to the end of r with the default Limits: a mail, a
// part of one, or the fields of a feedback report alone.
// The error is of type *dmarc.Error; the report is then nil.
func Parse(r io.Reader) (*Report, error) { return Parser{}.Parse(r) }

// Parse reads one report to the end of r: a mail, a part of one, or the fields
// of a feedback report alone.
// The error is of type *dmarc.Error; the report is then nil.
func (p Parser) Parse(r io.Reader) (*Report, error) {
	l := p.Limits.withDefaults()
	w := mime.Walker{MaxHeader: 4 * maxPart, MaxParts: l.Parts, MaxDepth: l.Depth, MaxBody: maxPart}
	d := &decoder{toASCII: p.Text.Host}
	if err := w.Read(r, l.Bytes, d); err != nil {
		return nil, l.refused(err)
	}
	switch {
	case d.blank:
		return nil, refusal(dmarc.ReasonEmpty, "no mail")
	case d.tooDeep:
		return nil, refusal(dmarc.ReasonTooDeep, "more than %d multiparts around a part", l.Depth)
	}
	d.mail = parseFields(w.Header, nil)
	if err := d.complete(); err != nil {
		return nil, err
	}
	return &d.report, nil
}

// refused makes the error of a mail that cannot be read to its end.
func (l Limits) refused(err error) error {
	var refused *dmarc.Error
	switch {
	case errors.As(err, &refused):
		return err
	case errors.Is(err, mime.ErrTooLong):
		return refusal(dmarc.ReasonTooLarge, "the mail is larger than %d bytes", l.Bytes)
	case errors.Is(err, mime.ErrHeaderTooLong):
		return refusal(dmarc.ReasonTooLarge, "a header of more than %d bytes", 4*maxPart)
	case errors.Is(err, mime.ErrTooManyParts):
		return refusal(dmarc.ReasonTooMany, "more than %d parts", l.Parts)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refusal(dmarc.ReasonTruncated, "the mail ends too early: %w", err)
	}
	return refusal(dmarc.ReasonIO, "read the mail: %w", err)
}

// refusal makes the errors of this package. Lines of a mail are no help in
// finding a mistake, so there are none.
func refusal(reason dmarc.Reason, format string, args ...any) error {
	return &dmarc.Error{Reason: reason, Offset: -1, Err: fmt.Errorf(format, args...)}
}

// maxPart is the number of bytes of a part that are held in memory.
const maxPart = 256 << 10

// source says where the fields of the report come from; a greater one wins.
type source int

const (
	nowhere   source = iota
	plainText        // of Exim
	untyped          // a part of another media type
	declared         // a message/feedback-report
)

// decoder is the state of one Parse.
type decoder struct {
	toASCII  text.ToASCII
	report   Report
	mail     []field // the header of the mail
	source   source
	feedback []byte // the decoded feedback report, or the plain text
	cut      bool   // the mail ends inside of the feedback report
	encoding bool   // the transfer encoding was not the declared one
	evidence []byte // the decoded header of the failed message, and more
	found    bool   // there is evidence
	tooDeep  bool   // a part is
	blank    bool   // the mail is nothing but white space
}

func (d *decoder) warn(code dmarc.Code, value string) {
	w := dmarc.Warning{Code: code, Offset: -1, Value: text.Cut(value, 64)}
	list, dropped := text.Add(d.report.Warnings, w, dmarc.MaxWarnings, func(w dmarc.Warning) dmarc.Code { return w.Code })
	d.report.Warnings = list
	d.report.WarningsDropped += dropped
}

// Multipart implements mime.Visitor.
func (d *decoder) Multipart(*mime.Part) {}

// Repaired implements mime.Visitor.
func (d *decoder) Repaired(r mime.Repair, value []byte) {
	switch r {
	case mime.BoundaryGuessed:
		d.warn(CodeBoundaryGuessed, string(value))
	case mime.NoEndBoundary:
		d.warn(CodeNoEndBoundary, string(value))
	case mime.BrokenHeader: // Such a part is a document, and not read here.
	}
}

// Part implements mime.Visitor.
func (d *decoder) Part(p *mime.Part) {
	d.tooDeep = d.tooDeep || p.TooDeep
	d.blank = p.Top && len(p.Header) == 0 && len(bytes.TrimSpace(p.Body)) == 0
	switch {
	case text.EqualFold(p.Type, "message/feedback-report"):
		d.feedbackPart(p)
	case p.IsEvidence():
		// It is decoded for its header, and never looked at as a report.
		if !d.found {
			d.found, d.evidence = true, decode(p)
		}
	case p.Feedback || p.MayBeText():
		d.otherPart(p)
	}
}

// decode undoes the transfer encoding.
func decode(p *mime.Part) []byte {
	switch {
	case text.EqualFold(p.Encoding, "base64"):
		return decodeBase64(p)
	case text.EqualFold(p.Encoding, "quoted-printable"):
		b, _ := mime.Quoted.Decode(nil, p.Body)
		return b
	}
	return p.Body
}

func decodeBase64(p *mime.Part) []byte {
	b, _ := mime.Base64.Decode(nil, p.Body)
	return b
}

// feedbackPart takes a part that is declared to be the feedback report.
func (d *decoder) feedbackPart(p *mime.Part) {
	if d.source == declared {
		d.warn(CodePartSkipped, string(p.Type))
		return
	}
	d.source = declared
	d.feedback, d.encoding = decode(p), false
	if !mime.IsFeedback(d.feedback) {
		// QUIRK(fail-base64): the encoding is not declared, or declared wrongly.
		for _, b := range [][]byte{p.Body, decodeBase64(p)} {
			if mime.IsFeedback(b) {
				d.feedback, d.encoding = b, true
				break
			}
		}
	}
	if p.Feedback {
		// QUIRK(fail-no-empty-line): the fields follow the header of the part at once.
		d.feedback = append(headerFields(p), d.feedback...)
	}
	d.cut = !p.Closed && !bytes.HasSuffix(p.Body, []byte("\n"))
	if p.Cut {
		d.warn(CodePartCut, "")
	}
}

// otherPart looks whether any other part is the feedback report.
func (d *decoder) otherPart(p *mime.Part) {
	b := decode(p)
	switch {
	case p.Feedback && p.Top && len(p.Type) == 0:
		// The fields of a feedback report without a mail around them.
		d.source, d.feedback = declared, append(headerFields(p), b...)
	case p.Feedback && d.source < untyped:
		d.source, d.feedback = untyped, append(headerFields(p), b...)
	case mime.IsFeedback(b) && d.source < untyped:
		d.source, d.feedback = untyped, b
	case mime.IsFailureText(b) && d.source < plainText:
		d.source, d.feedback = plainText, b
	default:
		return
	}
	d.cut = false
	if p.Cut {
		d.warn(CodePartCut, "")
	}
}

// headerFields returns the fields of the header of a part that are not of MIME.
func headerFields(p *mime.Part) []byte { return joinFields(parseFields(p.Header, nil)) }

// joinFields writes fields as a block, apart from those of MIME.
func joinFields(fields []field) []byte {
	var b []byte
	for _, f := range fields {
		if !strings.HasPrefix(f.name, "content") && f.name != "mime-version" {
			b = append(b, f.name+": "+f.value+"\n"...)
		}
	}
	return b
}

// complete makes the report of what the walk found.
func (d *decoder) complete() error {
	switch {
	case d.source == nowhere:
		return refusal(dmarc.ReasonNotAReport, "the mail has no feedback report")
	case d.cut:
		return refusal(dmarc.ReasonTruncated, "the mail ends inside of the feedback report")
	}
	var fields []field
	if d.source == plainText {
		d.warn(CodePlainText, "")
		fields = d.readPlainText()
	} else {
		fields = parseFields(d.feedback, d.warn)
		if d.source == untyped {
			d.warn(CodeMediaType, "")
		}
		if d.encoding {
			d.warn(CodeEncodingWrong, "")
		}
	}
	if err := d.checkType(fields); err != nil {
		return err
	}
	d.readMail()
	d.readEvidence()
	d.fill(fields)
	return d.substitute(fields)
}

// checkType refuses feedback about anything but authentication.
func (d *decoder) checkType(fields []field) error {
	if len(fields) == 0 {
		return refusal(dmarc.ReasonNotAReport, "the feedback report has no fields")
	}
	kind := strings.ToLower(mime.WithoutComments(get(fields, "feedback-type")))
	switch {
	case kind == "auth-failure":
		return nil
	case kind != "":
		return refusal(dmarc.ReasonNotDMARC, "feedback of type %q", text.Cut(kind, 32))
	case d.source == plainText:
		return nil
	case has(fields, "auth-failure"):
		d.warn(CodeTypeMissing, "")
		return nil
	}
	return refusal(dmarc.ReasonNotDMARC, "feedback without a type")
}

// readMail takes the reporter from the header of the mail.
func (d *decoder) readMail() {
	r := &d.report
	from := get(d.mail, "from")
	r.ReporterAddress, r.Reporter = address(from), addressDomain(from, d.toASCII)
	r.ReportID = trimAngles(get(d.mail, "message-id"))
	r.Sent, _ = parseDate(get(d.mail, "date"))
}

// readEvidence takes three fields from the header of the failed message.
func (d *decoder) readEvidence() {
	if !d.found {
		return
	}
	head := bytes.TrimLeft(d.evidence, "\r\n")
	if i := bytes.Index(head, []byte("\n\n")); i >= 0 {
		head = head[:i]
	}
	if i := bytes.Index(head, []byte("\n\r\n")); i >= 0 {
		head = head[:i]
	}
	fields := parseFields(head, nil)
	e := &d.report.Evidence
	e.Found = true
	e.HeaderFrom = addressDomain(get(fields, "from"), d.toASCII)
	e.MessageID = trimAngles(get(fields, "message-id"))
	e.Date, _ = parseDate(get(fields, "date"))
}

// substitute fills in what has a substitute and refuses what has none.
func (d *decoder) substitute(fields []field) error {
	r := &d.report
	if r.Domain == "" {
		// QUIRK(fail-no-domain): the failed message or the results name the domain as well.
		r.Domain = r.Evidence.HeaderFrom
		if r.Domain == "" {
			r.Domain = d.resultDomain(r.AuthenticationResults)
		}
		if r.Domain == "" {
			return refusal(dmarc.ReasonNoDomain, "the report names no domain")
		}
		r.ReportedDomains = []string{r.Domain}
		d.warn(CodeDomainMissing, r.Domain)
	}
	if r.Arrival.IsZero() {
		r.Arrival = r.Sent
		d.warn(CodeDateMissing, "")
	}
	if r.ReportID == "" {
		h := sha256.New()
		h.Write(joinFields(fields))
		h.Write([]byte(r.Evidence.MessageID))
		r.ReportID = "sha256." + hex.EncodeToString(h.Sum(nil)[:16])
		d.warn(CodeReportIDMissing, r.ReportID)
	}
	return nil
}

// resultDomain finds the From domain in Authentication-Results.
func (d *decoder) resultDomain(results []string) string {
	for _, s := range results {
		_, rest, ok := strings.Cut(s, "header.from=")
		if !ok {
			continue
		}
		rest = strings.Trim(rest, `"<>`)
		if i := strings.IndexAny(rest, "; \t)\">"); i >= 0 {
			rest = rest[:i]
		}
		if domain, form := d.toASCII.Host(rest[strings.LastIndexByte(rest, '@')+1:]); form != text.HostInvalid {
			return domain
		}
	}
	return ""
}
