package failure

import (
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/lenient"
)

// addressDomain returns the domain of the first address of a From field or of
// an address, normalised; empty when there is none.
func addressDomain(s string) string {
	s = withoutComments(s)
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
	domain, _, ok := lenient.Domain(strings.TrimRight(s[i+1:], " ;"))
	if !ok {
		return ""
	}
	return domain
}

// address returns the first address of a From field.
func address(s string) string {
	s = withoutComments(s)
	if _, rest, ok := strings.Cut(s, "<"); ok {
		s, _, _ = strings.Cut(rest, ">")
	}
	s = strings.TrimRight(s, " ;")
	if !strings.Contains(s, "@") {
		return ""
	}
	return strings.TrimSpace(s)
}

// withoutComments removes comments and display names in quotation marks, which
// may hold angle brackets (RFC 5322, section 3.2).
func withoutComments(s string) string {
	var t strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case quoted:
			quoted = c != '"'
		case c == '"' && depth == 0 && strings.Contains(s[i:], "<"):
			quoted = true
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			t.WriteByte(c)
		}
	}
	return strings.TrimSpace(t.String())
}

// trimAngles removes the angle brackets around an address or a message id.
func trimAngles(s string) string {
	s = strings.TrimSpace(strings.TrimRight(s, "; "))
	if len(s) >= 2 && s[0] == '<' && s[len(s)-1] == '>' {
		return strings.TrimSpace(s[1 : len(s)-1])
	}
	return s
}

// zoneOffset returns the offset of a time zone by its name as mails use it
// (RFC 5322, section 4.3, and neighbours); empty when it is unknown.
func zoneOffset(name string) string {
	switch strings.ToUpper(name) {
	case "UT", "GMT", "UTC", "Z", "WET":
		return "+0000"
	case "BST", "CET", "WEST":
		return "+0100"
	case "CEST", "EET":
		return "+0200"
	case "EEST", "MSK":
		return "+0300"
	case "JST":
		return "+0900"
	case "EDT":
		return "-0400"
	case "EST", "CDT":
		return "-0500"
	case "CST", "MDT":
		return "-0600"
	case "MST", "PDT":
		return "-0700"
	case "PST":
		return "-0800"
	}
	return ""
}

// mailLayouts are the forms of RFC 5322 without the day of the week, and the
// same with a year of two digits.
var mailLayouts = [...]string{
	"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04 -0700",
	"2 Jan 06 15:04:05 -0700", "2 Jan 06 15:04 -0700",
}

// oddLayouts are what else is seen. A date without a zone is UTC.
var oddLayouts = [...]string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05", "2006-01-02 15:04", "2 Jan 2006 15:04:05", "Jan 2 15:04:05 2006 -0700",
	"Jan 2 15:04:05 2006", "2006-01-02",
}

// parseDate reads a date of a mail. odd says that it is not in the form of
// RFC 5322; ok is false when it cannot be read or is no date since 1970.
func parseDate(s string) (t time.Time, odd, ok bool) {
	s = withoutComments(strings.TrimRight(s, "; "))
	if day, rest, ok := strings.Cut(s, ","); ok && len(day) < 16 {
		s = rest // the day of the week, in any language
	}
	words := strings.Fields(s)
	if len(words) > 0 && isAlpha(words[0]) && !isMonth(words[0]) {
		words, odd = words[1:], true // a day without its comma
	}
	if n := len(words); n > 1 && isAlpha(words[n-1]) {
		offset := zoneOffset(words[n-1])
		if offset == "" {
			offset, odd = "+0000", true // RFC 5322 reads unknown names as -0000
		}
		words[n-1] = offset
	}
	text := strings.Join(words, " ")
	for _, layout := range mailLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			t, ok = plausible(t)
			return t, odd, ok
		}
	}
	for _, layout := range oddLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			t, ok = plausible(t)
			return t, true, ok
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n < 1e11 {
		t, ok = plausible(time.Unix(n, 0))
		return t, true, ok
	}
	return time.Time{}, false, false
}

func plausible(t time.Time) (time.Time, bool) {
	if t.Unix() <= 0 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t.UTC(), true
}

func isMonth(s string) bool {
	_, err := time.Parse("Jan", s)
	return err == nil
}

func isAlpha(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' }) < 0
}
