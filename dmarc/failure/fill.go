package failure

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// maxRepeats bounds the fields that may be repeated.
const maxRepeats = 100

// fill reads the fields of the feedback report.
func (d *decoder) fill(fields []field) {
	r := &d.report
	r.Incidents = 1
	var seen []string
	for _, f := range fields {
		if d.repeatable(f) {
			continue
		}
		if slices.Contains(seen, f.name) {
			d.warn(CodeFieldRepeated, f.name)
			continue
		}
		if !d.single(f) {
			d.unknown(f.name)
			continue
		}
		seen = append(seen, f.name)
	}
	if r.AuthFailure == AuthFailureAbsent && d.source != plainText {
		d.warn(CodeAuthFailureMissing, "")
	}
	if len(r.ReportedDomains) > 0 {
		r.Domain = r.ReportedDomains[0]
	}
}

// repeatable reads a field that may occur more than once.
func (d *decoder) repeatable(f field) bool {
	r := &d.report
	switch f.name {
	case "authentication-results":
		d.add(&r.AuthenticationResults, f.value)
	case "reported-domain":
		for _, s := range strings.FieldsFunc(mime.WithoutComments(f.value), func(c rune) bool { return c == ',' || c == ';' }) {
			if domain := d.domain(strings.TrimSpace(s)); domain != "" {
				d.add(&r.ReportedDomains, domain)
			}
		}
	case "reported-uri":
		d.add(&r.ReportedURIs, f.value)
	case "original-rcpt-to":
		d.add(&r.OriginalRcptTo, trimAngles(f.value))
	case "spf-dns":
		d.add(&r.SPFDNS, f.value)
	default:
		return false
	}
	return true
}

func (d *decoder) add(list *[]string, value string) {
	switch {
	case value == "" || slices.Contains(*list, value):
	case len(*list) == maxRepeats:
		d.warn(CodeFieldsDropped, value)
	default:
		*list = append(*list, value)
	}
}

// single reads a field that may occur once.
func (d *decoder) single(f field) bool {
	r := &d.report
	switch f.name {
	case "auth-failure":
		r.AuthFailure, r.RawAuthFailure = keyword(d, f.value, AuthFailures(), AuthFailureOther, CodeAuthFailureUnknown)
	case "delivery-result":
		// QUIRK(fail-delivery): smg-policy-action and others of the reporter's own.
		r.DeliveryResult, r.RawDeliveryResult = keyword(d, f.value, DeliveryResults(), DeliveryOther, CodeDeliveryUnknown)
	case "identity-alignment":
		r.IdentityAlignment = strings.FieldsFunc(f.value, func(c rune) bool { return c == ',' || c == ' ' || c == ';' })
	case "source-ip":
		r.SourceIP, r.Source = d.sourceIP(f.value), f.value
	case "source-port":
		r.SourcePort = d.port(f.value)
	case "arrival-date", "received-date":
		// QUIRK(fail-received-date): the older name of Arrival-Date.
		if t := d.arrival(f.value); f.name == "arrival-date" && !t.IsZero() || r.Arrival.IsZero() {
			r.Arrival = t
		}
	case "incidents":
		r.Incidents = d.incidents(f.value)
	case "feedback-type", "dkim-canonicalized-header", "dkim-canonicalized-body":
		// The first was read before, the others hold the failed message itself.
	default:
		return d.verbatim(f)
	}
	return true
}

// verbatim reads a field that is kept as it is.
func (d *decoder) verbatim(f field) bool {
	target := d.report.text(f.name)
	if target == nil {
		return false
	}
	*target = trimAngles(f.value)
	return true
}

// text returns where a field is kept as text; nil when it is not.
func (r *Report) text(name string) *string {
	switch name {
	case "version":
		return &r.Version
	case "user-agent":
		return &r.UserAgent
	case "original-mail-from":
		return &r.OriginalMailFrom
	case "original-envelope-id":
		return &r.OriginalEnvelopeID
	case "reporting-mta":
		return &r.ReportingMTA
	case "dkim-domain":
		return &r.DKIMDomain
	case "dkim-identity":
		return &r.DKIMIdentity
	case "dkim-selector":
		return &r.DKIMSelector
	case "dkim-selector-dns":
		return &r.DKIMSelectorDNS
	}
	return nil
}

func (d *decoder) unknown(name string) {
	list := &d.report.UnknownFields
	if len(*list) < 32 && !slices.Contains(*list, name) {
		*list = append(*list, text.Cut(name, 64))
	}
}

func (d *decoder) domain(s string) string {
	domain, form := d.toASCII.Host(strings.Trim(s, "<>[]\"'"))
	switch {
	case form == text.HostInvalid:
		d.warn(CodeDomainInvalid, s)
		return ""
	case domain != s:
		d.warn(CodeDomainNormalized, s)
	}
	return domain
}

// sourceIP finds the address in forms such as "[2001:db8::1] (host)".
func (d *decoder) sourceIP(s string) netip.Addr {
	// QUIRK(fail-source-ip): OpenDMARC adds brackets and the name of the host.
	a, repaired := text.Addr(s)
	switch {
	case !a.IsValid() && s != "":
		d.warn(CodeSourceInvalid, s)
	case repaired:
		d.warn(CodeSourceRepaired, s)
	}
	return a
}

func (d *decoder) port(s string) uint16 {
	n, err := strconv.ParseUint(mime.WithoutComments(s), 10, 16)
	if err != nil || n == 0 {
		d.warn(CodePortInvalid, s)
		return 0
	}
	return uint16(n)
}

func (d *decoder) arrival(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	t, form := parseDate(s)
	switch form {
	case text.DateMail:
	case text.DateInvalid:
		d.warn(CodeDateInvalid, s)
	default:
		d.warn(CodeDateForm, s)
	}
	return t
}

func (d *decoder) incidents(s string) int64 {
	n, err := strconv.ParseUint(mime.WithoutComments(s), 10, 32)
	if err != nil {
		// The report itself is about one message at least.
		d.warn(CodeIncidentsInvalid, s)
		return 1
	}
	return int64(n)
}

// keyword reads a word of a closed vocabulary: the word, or other. The text is
// kept when it is not the word itself.
func keyword[T ~string](d *decoder, s string, words []T, other T, unknown dmarc.Code) (word T, raw string) {
	bare := mime.WithoutComments(s)
	if bare == "" {
		return "", s
	}
	word = T(strings.ToLower(bare))
	switch {
	case !slices.Contains(words, word):
		d.warn(unknown, s)
		return other, s
	case string(word) != bare:
		d.warn(CodeValueCase, s)
	}
	if string(word) != s {
		raw = s
	}
	return word, raw
}
