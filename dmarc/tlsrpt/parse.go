package tlsrpt

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Limits bounds what a Parser reads. A field that is zero or negative stands
// for its default, so the zero Limits is safe to use. A limit is the largest
// accepted value: one more is refused.
type Limits struct {
	// Bytes is the size of the JSON text (default 10 MiB).
	Bytes int64
	// Depth is the nesting (default 32; RFC 8460 needs 6).
	Depth int
	// Policies is the number of policies of a report (default 10,000).
	Policies int
	// Details is the number of failure details of all policies together (default 50,000).
	Details int
}

func (l Limits) withDefaults() Limits {
	text.Default(&l.Bytes, 10<<20)
	text.Default(&l.Depth, 32)
	text.Default(&l.Policies, 10_000)
	text.Default(&l.Details, 50_000)
	return l
}

// Parser reads reports within its Limits. It holds no state: it may be copied
// and used concurrently.
type Parser struct {
	Limits Limits
	Text   dmarc.Text // knows more of host names than the standard library
}

// Parse reads one report to the end of r with the default Limits.
// The error is of type *dmarc.Error; the report is then nil.
func Parse(r io.Reader) (*Report, error) { return Parser{}.Parse(r) }

// Parse reads one report to the end of r.
// The error is of type *dmarc.Error; the report is then nil.
func (p Parser) Parse(r io.Reader) (*Report, error) {
	d := newDecoder(p.Limits.withDefaults(), r)
	d.toASCII = p.Text.Host
	if err := d.document(); err != nil {
		return nil, err
	}
	if err := d.complete(); err != nil {
		return nil, err
	}
	return &d.report, nil
}

// decoder is the state of one Parse.
type decoder struct {
	limits  Limits
	toASCII text.ToASCII
	scanner
	report   Report
	utf16    *text.UTF16Reader // nil for a report in UTF-8
	digest   hash.Hash
	known    bool // a key of RFC 8460 was seen
	policies bool // the key policies was seen
	skipped  bool // an entry of it has nothing but unknown keys
	details  int
}

func newDecoder(l Limits, r io.Reader) *decoder {
	d := &decoder{limits: l, digest: sha256.New()}
	r = io.TeeReader(&limitedReader{r: r, left: l.Bytes}, d.digest)
	d.scanner = scanner{r: bufio.NewReader(r), line: 1, maxDepth: l.Depth, warn: d.warning}
	return d
}

func (d *decoder) warning(code dmarc.Code, value string) {
	w := dmarc.Warning{Code: code, Line: d.line, Offset: d.offset, Value: text.Cut(value, 64)}
	list, dropped := text.Add(d.report.Warnings, w, dmarc.MaxWarnings, func(w dmarc.Warning) dmarc.Code { return w.Code })
	d.report.Warnings = list
	d.report.WarningsDropped += dropped
}

// limitedReader refuses the byte after the last of left. It repeats an error
// for ever, because a bufio.Reader forgets the ones it meets while peeking.
type limitedReader struct {
	r    io.Reader
	left int64
	err  error
}

func (l *limitedReader) Read(p []byte) (n int, err error) {
	if l.err != nil {
		return 0, l.err
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, l.err = l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		n--
		l.err = &dmarc.Error{Reason: dmarc.ReasonTooLarge, Offset: -1, Err: errors.New("the report is longer than allowed")}
	}
	return n, l.err
}

// document reads the report and everything behind it.
func (d *decoder) document() error {
	if err := d.start(); err != nil {
		return err
	}
	b, err := d.first()
	if err != nil {
		return err
	}
	if b != '{' {
		return d.fail(dmarc.ReasonNotAReport, "no JSON object")
	}
	if err := d.root(); err != nil {
		return err
	}
	return d.rest()
}

// start looks at the first bytes for a byte order mark and for UTF-16.
func (d *decoder) start() error {
	head, _ := d.r.Peek(4)
	encoding, mark := text.Detect(head)
	// What was peeked is there.
	_, _ = d.r.Discard(mark)
	switch {
	case encoding == text.UTF32:
		return d.fail(dmarc.ReasonEncoding, "UTF-32 is not supported")
	case encoding != text.Single:
		d.warning(CodeCharset, "")
		d.utf16 = text.NewUTF16Reader(d.r, encoding)
		d.r = bufio.NewReader(d.utf16)
	case mark > 0:
		// QUIRK(tls-bom): RFC 8259 forbids it and allows to ignore it.
		d.warning(CodeBOM, "")
		d.offset = int64(mark)
	}
	return nil
}

// first peeks at the first byte of the report.
func (d *decoder) first() (byte, error) {
	for space := false; ; space = true {
		ahead, err := d.r.Peek(1)
		var refused *dmarc.Error
		switch {
		case errors.Is(err, io.EOF) && !errors.As(err, &refused):
			return 0, d.fail(dmarc.ReasonEmpty, "no report")
		case err != nil:
			return 0, d.broken(err)
		case strings.IndexByte(" \t\r\n", ahead[0]) < 0:
			if space {
				d.warning(CodeLeadingSpace, "")
			}
			return ahead[0], nil
		}
		if _, err := d.read(); err != nil {
			return 0, err
		}
	}
}

// rest reads to the end, because only there the reader says whether a
// checksum was right.
func (d *decoder) rest() error {
	junk := false
	for {
		b, err := d.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return d.broken(err)
		}
		d.offset++
		if !junk && strings.IndexByte(" \t\r\n", b) < 0 {
			// QUIRK(tls-trailing): NUL bytes after the report, and mail footers.
			junk = true
			ahead, _ := d.r.Peek(31)
			t, _ := text.Valid(append([]byte{b}, ahead...))
			d.warning(CodeTrailingData, t)
		}
	}
}

func (d *decoder) root() error {
	return d.fields("", func(key string) (bool, error) {
		r := &d.report
		var err error
		switch key {
		case "organization-name":
			r.OrganizationName, err = d.string()
		case "date-range":
			err = d.dateRange()
		case "contact-info":
			// QUIRK(tls-contact-null): null and absent are both common.
			r.ContactInfo, err = d.string()
		case "report-id":
			r.ReportID, err = d.string()
		case "policies":
			d.policies = true
			err = d.entries("policies", d.policy)
		default:
			return false, nil
		}
		d.known = true
		return true, err
	})
}

func (d *decoder) dateRange() error {
	return d.fields("date-range", func(key string) (bool, error) {
		var err error
		switch key {
		case "start-datetime":
			d.report.Start, err = d.date()
		case "end-datetime":
			d.report.End, err = d.date()
		default:
			return false, nil
		}
		return true, err
	})
}

// fields reads an object and hands its keys to known, which reads the value
// and reports true, or leaves it and reports false.
func (d *decoder) fields(name string, known func(key string) (bool, error)) error {
	b, err := d.peek()
	if err != nil {
		return err
	}
	if b != '{' {
		return d.wrong(name)
	}
	var seen []string
	return d.object(func(key string) error {
		if slices.Contains(seen, key) {
			d.warning(CodeDuplicateKey, key)
			return d.skip()
		}
		ok, err := known(key)
		if ok {
			seen = append(seen, key)
			return err
		}
		d.unknown(name, key)
		return d.skip()
	})
}

// unknown remembers a key outside RFC 8460. Receivers must ignore it.
func (d *decoder) unknown(name, key string) {
	path := text.Cut(key, 64)
	if name != "" {
		path = name + "." + path
	}
	if len(d.report.UnknownKeys) < 32 && !slices.Contains(d.report.UnknownKeys, path) {
		d.report.UnknownKeys = append(d.report.UnknownKeys, path)
	}
}

// entries reads an array of objects, one object in place of it, or null.
func (d *decoder) entries(name string, entry func() error) error {
	b, err := d.peek()
	if err != nil {
		return err
	}
	switch b {
	case '[':
		return d.array(entry)
	case '{':
		d.warning(CodeWrongType, name)
		return entry()
	}
	return d.wrong(name)
}

// wrong skips a value of the wrong type; null is as good as absent.
func (d *decoder) wrong(name string) error {
	b, err := d.peek()
	if err != nil {
		return err
	}
	if b != 'n' {
		d.warning(CodeWrongType, name)
	}
	return d.skip()
}

// complete checks the whole report and fills in what has a substitute.
func (d *decoder) complete() error {
	r := &d.report
	if d.utf16 != nil && d.utf16.Replaced {
		d.warning(CodeInvalidText, "unpaired surrogates of UTF-16")
	}
	if !d.known {
		return d.fail(dmarc.ReasonNotAReport, "an object without a key of RFC 8460")
	}
	if r.Start.IsZero() || r.End.IsZero() {
		return d.fail(dmarc.ReasonNoDates, "the report has no readable date-range")
	}
	if skipped := d.skipped || !d.policies && len(r.UnknownKeys) > 0; skipped && len(r.Policies) == 0 {
		// QUIRK(policies-unknown): "Policies": sessions that nobody counts must not look like none.
		return d.fail(dmarc.ReasonSyntax, "the report has no policies but keys that are not known in their place")
	}
	if !d.policies {
		d.warning(CodePoliciesMissing, "")
	}
	if r.OrganizationName == "" {
		r.OrganizationName = d.toASCII.AddressHost(r.ContactInfo)
		d.warning(CodeOrgMissing, r.OrganizationName)
	}
	if r.ReportID = text.TrimAngles(r.ReportID); r.ReportID == "" {
		r.ReportID = "sha256." + hex.EncodeToString(d.digest.Sum(nil)[:16])
		d.warning(CodeReportIDMissing, r.ReportID)
	}
	d.period(r.End.Sub(r.Start))
	return nil
}

func (d *decoder) period(span time.Duration) {
	switch {
	case span == 0:
		d.warning(CodePeriodEmpty, "")
	case span < 0:
		d.warning(CodePeriodReversed, "")
	case span > 25*time.Hour:
		d.warning(CodePeriodLong, span.String())
	}
}
