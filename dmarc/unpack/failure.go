package unpack

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// isFailure looks at the leaves of a mail for a feedback report that is not
// declared as one.
func (w *Walker) isFailure(t *tree) bool {
	for i := range w.parts[t.first:] {
		if isFeedback(&w.parts[t.first+i]) {
			return true
		}
	}
	return false
}

// isFeedback reports whether a leaf holds a feedback report (RFC 5965), or the
// text that mail servers send instead.
func isFeedback(p *part) bool {
	if !text.HasPrefixFold(p.mediaType, "text/") && !text.HasPrefixFold(p.mediaType, "message/") &&
		!text.HasPrefixFold(p.mediaType, "application/octet-stream") && len(p.mediaType) > 0 {
		return false
	}
	if text.HasPrefixFold(p.mediaType, "message/rfc822") || text.HasPrefixFold(p.mediaType, "text/rfc822") {
		return false
	}
	const look = 2 << 10
	b := bytes.TrimLeft(p.body[:min(len(p.body), look)], " \t\r\n")
	if text.EqualFold(p.encoding, "base64") {
		for _, prefix := range []string{"H4sI", "UEsDB"} {
			if bytes.HasPrefix(b, []byte(prefix)) {
				return false
			}
		}
		// QUIRK(fail-base64): Netease.
		b, _ = decodeBase64(make([]byte, 0, look), b)
	}
	return isFeedbackHeader(b) || isFailureText(b)
}

// isFeedbackHeader reports whether b starts with header fields of which one is Feedback-Type.
func isFeedbackHeader(b []byte) bool {
	for h := b; len(h) > 0; {
		name, _ := cutField(h)
		if name == nil {
			return false
		}
		if fieldIs(name, "feedbacktype") {
			return true
		}
		h = h[fieldEnd(h):]
	}
	return false
}

// isFailureText recognises the failure report that Exim writes as plain text.
//
// QUIRK(fail-plain-text): Exim, and Baruwa and antispamcloud which use it.
func isFailureText(b []byte) bool {
	return bytes.Contains(b, []byte("has failed")) && bytes.Contains(b, []byte("DMARC")) &&
		(bytes.Contains(b, []byte("Sender IP Address:")) || bytes.Contains(b, []byte("Sender Domain:")))
}
