package text

import (
	"strings"
	"time"
)

// DateForm is how a date was written.
type DateForm uint8

// The forms of a date.
const (
	DateInvalid      DateForm = iota // unreadable, or not between 1970 and the year 10000
	DateSeconds                      // seconds since 1970
	DateMilliseconds                 // milliseconds since 1970, or finer
	DateFraction                     // seconds since 1970 with a fraction
	DateMail                         // the form of mails (RFC 5322, section 3.3)
	DateOther                        // RFC 3339 and what else is seen
)

// longestDate bounds the text that is tried as a date.
const longestDate = 128

// mailLayouts are the forms of RFC 5322 without the day of the week, and the
// same with a year of two digits.
var mailLayouts = [...]string{
	"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04 -0700",
	"2 Jan 06 15:04:05 -0700", "2 Jan 06 15:04 -0700",
}

// otherLayouts are RFC 3339 and its neighbours, and the forms of C. A date
// without a zone is UTC.
var otherLayouts = [...]string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05-0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04", "2006-01-02",
	"2 Jan 2006 15:04:05", "Jan 2 15:04:05 2006", "Jan 2 15:04:05 2006 -0700", "Jan 2 15:04:05 -0700 2006",
}

// Date reads a date in any form that reporters have been seen to write, in UTC
// and whole seconds.
func Date(s string) (time.Time, DateForm) {
	if len(s) > longestDate {
		return time.Time{}, DateInvalid
	}
	if n, ok := Digits(s); ok {
		return DateOf(n)
	}
	// QUIRK(date-frac): 1700006400.0 and 1700092799.123.
	if whole, fraction, ok := strings.Cut(s, "."); ok {
		n, isNumber := Digits(whole)
		if _, ok := Digits(fraction); isNumber && n <= maxSeconds && (ok || fraction == "") {
			return date(n, DateFraction)
		}
	}
	words, form := dateWords(s)
	for _, layout := range mailLayouts {
		if t, err := time.Parse(layout, words); err == nil {
			return date(t.Unix(), form)
		}
	}
	for _, layout := range otherLayouts {
		if t, err := time.Parse(layout, words); err == nil {
			return date(t.Unix(), DateOther)
		}
	}
	return time.Time{}, DateInvalid
}

// maxSeconds tells seconds from milliseconds: as seconds it is the year 5138.
const maxSeconds = 1e11

// DateOf returns the date of a number of seconds since 1970.
func DateOf(n int64) (time.Time, DateForm) {
	form := DateSeconds
	if n >= 1e17 {
		return time.Time{}, DateInvalid
	}
	// QUIRK(date-ms): milliseconds, and microseconds for the same price.
	for n > maxSeconds {
		n, form = n/1000, DateMilliseconds
	}
	return date(n, form)
}

// date takes whole seconds after 1970 and before the year 10000.
func date(n int64, form DateForm) (time.Time, DateForm) {
	const year10000 = 253402300800
	if n <= 0 || n >= year10000 {
		return time.Time{}, DateInvalid
	}
	return time.Unix(n, 0).UTC(), form
}

// dateWords removes the day of the week, in any language, and replaces the
// name of a time zone by its offset. form is DateMail unless RFC 5322 has a day without
// its comma or such a zone in no form.
func dateWords(s string) (string, DateForm) {
	form := DateMail
	s = strings.ToUpper(strings.TrimRight(s, "; "))
	if day, rest, ok := strings.Cut(s, ","); ok && len(day) < 16 {
		s = rest
	}
	words := strings.Fields(s)
	if len(words) > 0 && isAlpha(words[0]) && !isMonth(words[0]) {
		words, form = words[1:], DateOther
	}
	for i := 1; i < len(words); i++ {
		if !isAlpha(words[i]) || isMonth(words[i]) {
			continue
		}
		if words[i] = zoneOffset(words[i]); words[i] == "" {
			words[i], form = "+0000", DateOther // RFC 5322 reads unknown names as -0000.
		}
	}
	return strings.Join(words, " "), form
}

// zoneOffset returns the offset of a time zone by its name as mails use it
// (RFC 5322, section 4.3, and neighbours); empty when it is unknown.
func zoneOffset(name string) string {
	switch name {
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

func isMonth(s string) bool {
	_, err := time.Parse("Jan", s)
	return err == nil
}

func isAlpha(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' }) < 0
}
