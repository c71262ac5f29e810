package failure

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Parser reads reports within bounds. A bound that is zero or negative stands
// for its default, so the zero Parser is safe. A Parser holds no state: it may
// be copied and used concurrently.
type Parser struct {
	// MaxBytes bounds the mail (default 64 MiB), of which about 2 MiB at
	// most are held in memory.
	MaxBytes int64
	// MaxParts bounds the MIME parts (default 1000).
	MaxParts int
	// MaxDepth bounds the multiparts around a part (default 10).
	MaxDepth int
}

// Parse reads one report to the end of r with the default bounds: a mail, a
// part of one, or the fields of a feedback report alone.
// The error is of type *dmarc.Error; the report is then nil.
func Parse(r io.Reader) (*Report, error) { return Parser{}.Parse(r) }

// Parse reads one report to the end of r: a mail, a part of one, or the fields
// of a feedback report alone.
// The error is of type *dmarc.Error; the report is then nil.
func (p Parser) Parse(r io.Reader) (*Report, error) {
	if p.MaxBytes <= 0 {
		p.MaxBytes = 64 << 20
	}
	if p.MaxParts <= 0 {
		p.MaxParts = 1000
	}
	if p.MaxDepth <= 0 {
		p.MaxDepth = 10
	}
	d := &decoder{}
	w := &walker{
		lineReader: newLineReader(r, p.MaxBytes), maxDepth: p.MaxDepth, maxParts: p.MaxParts,
		visit: d.part, warn: d.warn,
	}
	w.entity()
	switch {
	case w.err != nil:
		return nil, w.err
	case w.blank:
		return nil, refusal(dmarc.ReasonEmpty, "no mail")
	}
	d.mail = w.top
	if err := d.complete(); err != nil {
		return nil, err
	}
	return &d.report, nil
}

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
	report   Report
	mail     []field // the header of the mail
	source   source
	feedback []byte // the decoded feedback report, or the plain text
	cut      bool   // the mail ends inside of the feedback report
	encoding bool   // the transfer encoding was not the declared one
	evidence []byte // the decoded header of the failed message, and more
	found    bool   // there is evidence
}

func (d *decoder) warn(code dmarc.Code, value string) {
	w := dmarc.Warning{Code: code, Offset: -1, Value: text.Cut(value, 64)}
	list, dropped := text.Add(d.report.Warnings, w, dmarc.MaxWarnings, func(w dmarc.Warning) dmarc.Code { return w.Code })
	d.report.Warnings = list
	d.report.WarningsDropped += dropped
}

// part looks at a leaf of the mail.
func (d *decoder) part(p *part) {
	switch p.mediaType {
	case "message/feedback-report":
		d.feedbackPart(p)
	case "message/rfc822", "message/global", "message/partial", "message/external-body",
		"text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
		// Evidence. It is decoded for its header, and never looked at as a report.
		if !d.found {
			d.found, d.evidence = true, p.decode()
		}
	default:
		d.otherPart(p)
	}
}

// decode undoes the transfer encoding.
func (p *part) decode() []byte {
	switch p.encoding {
	case "base64":
		return decodeBase64(p.body)
	case "quoted-printable":
		return decodeQuoted(p.body)
	}
	return p.body
}

// feedbackPart takes a part that is declared to be the feedback report.
func (d *decoder) feedbackPart(p *part) {
	if d.source == declared {
		d.warn(CodePartSkipped, p.mediaType)
		return
	}
	d.source = declared
	d.feedback, d.encoding = p.decode(), false
	if !isFeedback(d.feedback) {
		// QUIRK(fail-base64): the encoding is not declared, or declared wrongly.
		for _, b := range [][]byte{p.body, decodeBase64(p.body)} {
			if isFeedback(b) {
				d.feedback, d.encoding = b, true
				break
			}
		}
	}
	if has(p.header, "feedback-type") {
		// QUIRK(fail-no-empty-line): the fields follow the header of the part at once.
		d.feedback = append(joinFields(p.header), d.feedback...)
	}
	d.cut = !p.closed && !bytes.HasSuffix(p.body, []byte("\n"))
	if p.cut {
		d.warn(CodePartCut, "")
	}
}

// otherPart looks whether any other part is the feedback report.
func (d *decoder) otherPart(p *part) {
	b := p.decode()
	switch {
	case has(p.header, "feedback-type") && p.top && p.mediaType == "":
		// The fields of a feedback report without a mail around them.
		d.source, d.feedback = declared, append(joinFields(p.header), b...)
	case has(p.header, "feedback-type") && d.source < untyped:
		d.source, d.feedback = untyped, append(joinFields(p.header), b...)
	case isFeedback(b) && d.source < untyped:
		d.source, d.feedback = untyped, b
	case isPlainText(b) && d.source < plainText:
		d.source, d.feedback = plainText, b
	default:
		return
	}
	d.cut = false
	if p.cut {
		d.warn(CodePartCut, "")
	}
}

// joinFields writes fields as a block, apart from those of MIME.
func joinFields(fields []field) []byte {
	var b []byte
	for _, f := range fields {
		if !strings.HasPrefix(f.name, "content-") && f.name != "mime-version" {
			b = append(b, f.name+": "+f.value+"\n"...)
		}
	}
	return b
}

// isFeedback reports whether b starts with header fields of which one is Feedback-Type.
func isFeedback(b []byte) bool {
	for b = bytes.TrimLeft(b, " \t\r\n"); len(b) > 0; {
		var line []byte
		line, b = cutField(b)
		name, _, ok := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); !ok || !isName(name) {
			return false
		}
		if strings.EqualFold(string(name), "feedback-type") {
			return true
		}
	}
	return false
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
	kind := strings.ToLower(withoutComments(get(fields, "feedback-type")))
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
	r.ReporterAddress, r.Reporter = address(from), addressDomain(from)
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
	e.HeaderFrom = addressDomain(get(fields, "from"))
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
			r.Domain = resultDomain(r.AuthenticationResults)
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
func resultDomain(results []string) string {
	for _, s := range results {
		_, rest, ok := strings.Cut(s, "header.from=")
		if !ok {
			continue
		}
		rest = strings.Trim(rest, `"<>`)
		if i := strings.IndexAny(rest, "; \t)\">"); i >= 0 {
			rest = rest[:i]
		}
		if domain, form := text.Host(rest[strings.LastIndexByte(rest, '@')+1:]); form != text.HostInvalid {
			return domain
		}
	}
	return ""
}
