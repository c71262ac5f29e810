package failure

import (
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// addressDomain returns the domain of the first address of a From field or of
// an address, normalised; empty when there is none.
func addressDomain(s string, f text.ToASCII) string {
	s = mime.WithoutComments(s)
	if _, rest, ok := strings.Cut(s, "<"); ok {
		s = rest
	}
	s, _, _ = strings.Cut(s, ">")
	// A local part may hold an @ in quotes, but a domain holds none.
	s, _, _ = strings.Cut(s[strings.LastIndexByte(s, '"')+1:], ",")
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return ""
	}
	return f.AddressHost(s[i:])
}

// address returns the first address of a From field.
func address(s string) string {
	s = mime.WithoutComments(s)
	if _, rest, ok := strings.Cut(s, "<"); ok {
		s, _, _ = strings.Cut(rest, ">")
	}
	s = strings.TrimRight(s, " ;")
	if !strings.Contains(s, "@") {
		return ""
	}
	return strings.TrimSpace(s)
}

// trimAngles removes the angle brackets around an address or a message id.
func trimAngles(s string) string {
	return text.TrimAngles(strings.TrimSpace(strings.TrimRight(s, "; ")))
}

// parseDate reads the date of a field.
func parseDate(s string) (time.Time, text.DateForm) { return text.Date(mime.WithoutComments(s)) }
