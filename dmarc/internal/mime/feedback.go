package mime

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// lookFeedback is how much of a text is searched for a failure report.
const lookFeedback = 8 << 10

// IsFeedback reports whether b starts with header fields of which one is
// Feedback-Type (RFC 5965).
func IsFeedback(b []byte) bool {
	for h := Header(bytes.TrimLeft(b, " \t\r\n")); ; {
		name, _, ok := h.Next()
		if !ok || name == nil {
			return false
		}
		if FieldIs(name, "feedbacktype") {
			return true
		}
	}
}

// IsFailureText recognises the failure report that Exim sends: sentences, then
// lines such as "Sender Domain: example.org".
//
// QUIRK(fail-plain-text): Exim, and Baruwa and antispamcloud which use it.
func IsFailureText(b []byte) bool {
	b = b[:min(len(b), lookFeedback)]
	return bytes.Contains(b, []byte("has failed")) && bytes.Contains(b, []byte("DMARC")) &&
		(bytes.Contains(b, []byte("Sender IP Address:")) || bytes.Contains(b, []byte("Sender Domain:")))
}

// IsEvidence reports whether the part is declared to be a mail or the header
// of one: what a failure report is about.
func (p *Part) IsEvidence() bool {
	for _, t := range []string{
		"message/rfc822", "message/global", "message/partial", "message/external-body",
		"text/rfc822-headers", "message/rfc822-headers", "message/global-headers",
	} {
		if text.EqualFold(p.Type, t) {
			return true
		}
	}
	return false
}

// MayBeText reports whether the part is declared to be a text, or nothing.
func (p *Part) MayBeText() bool {
	return len(p.Type) == 0 || text.HasPrefixFold(p.Type, "text/") || text.HasPrefixFold(p.Type, "message/") ||
		text.EqualFold(p.Type, "application/octet-stream")
}
