package unpack

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
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
func isFeedback(p *mime.Part) bool {
	if !p.MayBeText() || p.IsEvidence() {
		return false
	}
	b := bytes.TrimLeft(p.Body, " \t\r\n")
	if text.EqualFold(p.Encoding, "base64") {
		for _, prefix := range []string{"H4sI", "UEsDB"} {
			if bytes.HasPrefix(b, []byte(prefix)) {
				return false
			}
		}
		// QUIRK(fail-base64): Netease.
		const look = 2 << 10
		b, _ = mime.Base64.Decode(make([]byte, 0, look), b[:min(len(b), look)])
	}
	return mime.IsFeedback(b) || mime.IsFailureText(b)
}
