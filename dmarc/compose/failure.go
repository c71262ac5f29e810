package compose

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
)

// Failure is a failure report that is to be sent, about one message or about
// Incidents of the same kind (RFC 9991). The caller limits how many are sent: who
// forges mail makes failure reports of it.
type Failure struct {
	// Report is what is reported. AuthFailure, Domain and SourceIP must be set.
	// ReportID becomes the message identifier; without it one is made of the
	// content, so that equal reports are one report. Reporter, ReporterAddress and
	// Sent are those of the mail, Warnings and UnknownFields are of no use here.
	Report *failure.Report
	// Personal writes the report as it is. Otherwise it is redacted as
	// failure.Report.Redact does: of each address the domain is left, with
	// "redacted" as the local part.
	Personal bool
	// Header is the header of the message that failed. It is written only if
	// Personal is set: otherwise the domain of its From field and its date are,
	// from Report.Evidence.
	Header []byte
	// Submitter is the domain of the receiver who reports.
	Submitter string
	// From and To are mail addresses, as in Report.
	From mail.Address
	To   []mail.Address
	// Date is when the mail is written.
	Date time.Time
}

// Mail composes the mail. What a failure report cannot have, or must have and has
// not, is refused with a dmarc.Deviation.
func (f *Failure) Mail() (*Mail, error) {
	r := *f.Report
	if !f.Personal {
		r.OriginalRcptTo, r.Warnings = slices.Clone(r.OriginalRcptTo), nil
		r.Redact()
	}
	if len(r.AuthenticationResults) == 0 {
		r.AuthenticationResults = []string{f.results(&r)}
	}
	if err := required(&r); err != nil {
		return nil, err
	}
	w := &fields{}
	w.report(&r)
	if w.err != nil {
		return nil, w.err
	}
	evidence := f.evidence(&r)
	text := fmt.Sprintf("This is a DMARC failure report of %s about mail\r\nfrom %s that claims to be of %s.\r\n", f.Submitter, r.SourceIP, r.Domain)
	id := r.ReportID
	if id == "" {
		sum := sha256.Sum256(slices.Concat(w.text.Bytes(), evidence.body))
		id = fmt.Sprintf("%x@%s", sum[:16], f.Submitter)
	}
	return &Mail{
		From: f.From, To: f.To, ReportID: id, MessageID: id, date: f.Date,
		Subject:   fmt.Sprintf("DMARC failure report of %s for %s", f.Submitter, r.Domain),
		multipart: "multipart/report; report-type=feedback-report",
		parts: []part{
			{header: "Content-Type: text/plain; charset=us-ascii\r\n", body: []byte(text)},
			{header: "Content-Type: message/feedback-report\r\n", body: w.text.Bytes()},
			evidence,
		},
	}, nil
}

// results is the field Authentication-Results, which a report must have (RFC 6591,
// section 3.1), without anything personal.
func (f *Failure) results(r *failure.Report) string {
	switch r.AuthFailure {
	case failure.AuthFailureSPF:
		return f.Submitter + "; spf=fail"
	case failure.AuthFailureSignature, failure.AuthFailureBodyHash, failure.AuthFailureRevoked:
		return f.Submitter + "; dkim=fail header.d=" + r.DKIMDomain
	}
	return f.Submitter + "; dmarc=fail header.from=" + r.Domain
}

// required holds a report to what it must have.
func required(r *failure.Report) error {
	signature := r.AuthFailure == failure.AuthFailureSignature || r.AuthFailure == failure.AuthFailureBodyHash || r.AuthFailure == failure.AuthFailureRevoked
	for _, field := range []struct {
		section, name string
		there         bool
	}{
		{"RFC 6591, section 3.2", "Auth-Failure", slices.Contains(failure.AuthFailures(), r.AuthFailure) && r.AuthFailure != failure.AuthFailureOther},
		{"RFC 6591, section 3.1", "Reported-Domain", r.Domain != ""},
		{"RFC 6591, section 3.1", "Source-IP", r.SourceIP.IsValid()},
		{"RFC 6591, section 3.2", "DKIM-Domain", !signature || r.DKIMDomain != ""},
		{"RFC 6591, section 3.2", "DKIM-Identity", !signature || r.DKIMIdentity != ""},
		{"RFC 6591, section 3.2", "DKIM-Selector", !signature || r.DKIMSelector != ""},
		{"RFC 6591, section 3.2", "SPF-DNS", r.AuthFailure != failure.AuthFailureSPF || len(r.SPFDNS) > 0},
	} {
		if !field.there {
			return dmarc.Deviation{Section: field.section, Rule: dmarc.RuleMissing, Path: field.name, Message: "the report has no such field, or none with a value of the RFC"}
		}
	}
	return nil
}

// evidence is the part with the header of the failed message.
func (f *Failure) evidence(r *failure.Report) part {
	p := part{header: "Content-Type: text/rfc822-headers\r\n"}
	if f.Personal && len(f.Header) > 0 {
		head := bytes.ReplaceAll(f.Header, []byte("\r\n"), []byte("\n"))
		head, _, _ = bytes.Cut(bytes.TrimLeft(head, "\n"), []byte("\n\n"))
		var b bytes.Buffer
		q := quotedprintable.NewWriter(&b)
		_, _ = q.Write(append(bytes.TrimRight(head, "\n"), '\n')) // Buffers do not fail.
		_ = q.Close()
		return part{header: p.header + "Content-Transfer-Encoding: quoted-printable\r\n", body: b.Bytes()}
	}
	w := &fields{}
	e := &r.Evidence
	w.add("From", address("@"+cmp.Or(e.HeaderFrom, r.Domain)))
	if !e.Date.IsZero() {
		w.add("Date", e.Date.UTC().Format(time.RFC1123Z))
	}
	if e.MessageID != "" {
		w.add("Message-ID", "<"+e.MessageID+">")
	}
	p.body = w.text.Bytes()
	return p
}

// address makes an address of what Redact leaves of one.
func address(a string) string {
	if strings.HasPrefix(a, "@") && len(a) > 1 {
		return "redacted" + a
	}
	return a
}

// fields are header fields that are written.
type fields struct {
	text bytes.Buffer
	err  error
}

// add adds a field unless it is empty.
func (w *fields) add(name, value string) {
	if value == "" || w.err != nil {
		return
	}
	text := folded(name, value)
	bad := strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' })
	for line := range strings.SplitSeq(text, "\r\n") {
		const longest = 998 // RFC 5322, section 2.1.1
		bad = bad || len(name)+len(": ")+len(line) > longest
	}
	if bad {
		w.err = dmarc.Deviation{Section: "RFC 5965, section 3.1", Rule: dmarc.RuleText, Path: name, Message: fmt.Sprintf("%.100q is no text of a header field", value)}
		return
	}
	fmt.Fprintf(&w.text, "%s: %s\r\n", name, text)
}

// report writes the fields of a feedback report (RFC 5965, section 3; RFC 6591,
// section 3; RFC 9991, section 4).
func (w *fields) report(r *failure.Report) {
	w.add("Feedback-Type", "auth-failure")
	w.add("Version", "1")
	w.add("User-Agent", cmp.Or(r.UserAgent, "dmarc-suite"))
	w.add("Auth-Failure", string(r.AuthFailure))
	for _, s := range r.AuthenticationResults {
		w.add("Authentication-Results", s)
	}
	w.add("Identity-Alignment", cmp.Or(strings.Join(r.IdentityAlignment, ", "), "none"))
	w.add("DKIM-Domain", r.DKIMDomain)
	w.add("DKIM-Identity", r.DKIMIdentity)
	w.add("DKIM-Selector", r.DKIMSelector)
	w.add("DKIM-Selector-DNS", r.DKIMSelectorDNS)
	for _, s := range r.SPFDNS {
		w.add("SPF-DNS", s)
	}
	w.add("Original-Envelope-Id", r.OriginalEnvelopeID)
	if r.OriginalMailFrom != "" {
		w.add("Original-Mail-From", "<"+address(r.OriginalMailFrom)+">")
	}
	for _, a := range r.OriginalRcptTo {
		w.add("Original-Rcpt-To", "<"+address(a)+">")
	}
	if !r.Arrival.IsZero() {
		w.add("Arrival-Date", r.Arrival.UTC().Format(time.RFC1123Z))
	}
	w.add("Source-IP", r.SourceIP.String())
	if r.SourcePort != 0 {
		w.add("Source-Port", strconv.Itoa(int(r.SourcePort)))
	}
	w.add("Reported-Domain", r.Domain)
	for _, d := range r.ReportedDomains {
		if d != r.Domain {
			w.add("Reported-Domain", d)
		}
	}
	for _, u := range r.ReportedURIs {
		w.add("Reported-URI", u)
	}
	w.add("Reporting-MTA", r.ReportingMTA)
	if r.DeliveryResult != failure.DeliveryAbsent {
		w.add("Delivery-Result", string(r.DeliveryResult))
	}
	if r.Incidents > 1 {
		w.add("Incidents", strconv.FormatInt(r.Incidents, 10))
	}
}
