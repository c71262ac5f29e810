package text

import (
	"slices"
	"strconv"
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

// otherLayouts are RFC 3339 and its neighbours, and the forms of C, Java and
// PHP. A date without a zone is UTC.
var otherLayouts = [...]string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05-0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04", "2006-01-02",
	"2006-01-02 15:04:05-0700", "2006-01-02 15:04:05 Z07:00", "2006-01-02T15:04:05 -0700", "2006-01-02T15:04:05-07",
	"2006-01-02 15:04:05-07", "2006-01-02 15:04 -0700", "2006-01-02Z07:00",
	"2 Jan 2006 15:04:05", "Jan 2 15:04:05 2006", "Jan 2 15:04:05 2006 -0700", "Jan 2 15:04:05 -0700 2006",
	"2 Jan 2006 15:04:05 -07:00", "2 Jan 2006 15:04", "2 Jan 2006", "2 Jan 06 15:04:05",
	"2-Jan-2006 15:04:05 -0700", "2-Jan-06 15:04:05 -0700", "2-Jan-2006 15:04:05", "2/Jan/2006:15:04:05 -0700",
	"Jan 2, 2006 3:04:05 PM", "Jan 2, 2006 15:04:05", "Jan 2 3:04:05 PM -0700 2006", "Jan 2 2006 15:04:05",
	"2006/01/02 15:04:05 -0700", "2006/01/02 15:04:05", "2006/01/02", "2.1.2006 15:04:05", "2.1.2006 15:04", "2.1.2006",
	"20060102T150405Z0700", "20060102T150405Z07:00", "20060102T150405", "20060102T1504Z0700", "20060102T1504",
	"20060102150405Z0700", "20060102 150405", "20060102Z0700", "2006-002T15:04:05Z07:00",
}

// Date reads a date in any form that reporters have been seen to write, in UTC
// and whole seconds. It is the one parser of dates in all kinds of reports.
func Date(s string) (time.Time, DateForm) {
	if len(s) > longestDate {
		return time.Time{}, DateInvalid
	}
	if n, ok := Digits(s); ok {
		return DateOf(n)
	}
	if t, form, ok := numberDate(s); ok {
		return t, form
	}
	words, form := dateWords(s)
	words, days := clock(words)
	for _, layout := range mailLayouts {
		if t, err := time.Parse(layout, words); err == nil {
			return date(t.AddDate(0, 0, days).Unix(), form)
		}
	}
	for _, layout := range otherLayouts {
		if t, err := time.Parse(layout, words); err == nil {
			return date(t.AddDate(0, 0, days).Unix(), DateOther)
		}
	}
	return time.Time{}, DateInvalid
}

// numberDate reads a number of seconds with a fraction or an exponent, and the
// form @1700006400 of date and PHP.
func numberDate(s string) (time.Time, DateForm, bool) {
	// QUIRK(date-frac): 1700006400.0 and 1700092799.123.
	whole, fraction, ok := strings.Cut(s, ".")
	n, isNumber := Digits(whole)
	if _, isFraction := Digits(fraction); ok && isNumber && n <= maxSeconds && (isFraction || fraction == "") {
		t, form := date(n, DateFraction)
		return t, form, true
	}
	if n, ok := Digits(strings.TrimPrefix(s, "@")); ok {
		t, form := DateOf(n)
		return t, otherwise(form), true
	}
	// QUIRK(date-forms): 1.7000064e9.
	if !strings.ContainsAny(s, "eE") || strings.Trim(s, "0123456789.eE+") != "" {
		return time.Time{}, DateInvalid, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f >= 1e17 {
		return time.Time{}, DateInvalid, false
	}
	t, form := DateOf(int64(f))
	return t, otherwise(form), true
}

// otherwise is DateOther for what is a date.
func otherwise(form DateForm) DateForm {
	if form == DateInvalid {
		return form
	}
	return DateOther
}

// clock makes times of a day that end it such as time.Parse knows them. A leap
// second (RFC 3339, section 5.6) is the second before, so that it stays in its day;
// 24:00:00 (ISO 8601) is midnight, some days later.
//
// QUIRK(date-forms): 23:59:60 and 24:00:00.
func clock(s string) (string, int) {
	if i := strings.Index(s, ":60"); i >= 5 && s[i-3] == ':' {
		return s[:i] + ":59" + s[i+3:], 0
	}
	for _, before := range []string{"T", " "} {
		day, rest, ok := strings.Cut(s, before+"24:00")
		if ok && (rest == "" || strings.HasPrefix(rest, ":00") || rest[0] < '0' || rest[0] > ':') {
			return day + before + "00:00" + rest, 1
		}
	}
	return s, 0
}

// maxSeconds tells seconds from milliseconds: as seconds it is the year 5138.
const maxSeconds = 1e11

// DateOf returns the date of a number of seconds since 1970.
func DateOf(n int64) (time.Time, DateForm) {
	form := DateSeconds
	if n >= 1e17 {
		return time.Time{}, DateInvalid
	}
	if t, ok := compact(n); ok {
		return t, DateOther
	}
	// QUIRK(date-ms): milliseconds, and microseconds for the same price.
	for n > maxSeconds {
		n, form = n/1000, DateMilliseconds
	}
	return date(n, form)
}

// compact reads 20261122, 202611220000 and 20261122000000, of this century. As
// seconds and finer they would be dates before mail, or far from now.
//
// QUIRK(date-forms): the compact form of ISO 8601.
func compact(n int64) (time.Time, bool) {
	layout := ""
	switch {
	case n >= 20000101 && n <= 20991231:
		layout = "20060102"
	case n >= 200001010000 && n <= 209912312359:
		layout = "200601021504"
	case n >= 20000101000000 && n <= 20991231235959:
		layout = "20060102150405"
	default:
		return time.Time{}, false
	}
	t, err := time.Parse(layout, strconv.FormatInt(n, 10))
	return t, err == nil
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
// name of a time zone by its offset, unless there is an offset before it. form
// is DateMail unless RFC 5322 has a day without its comma or such a zone in no form.
func dateWords(s string) (string, DateForm) {
	form := DateMail
	s = strings.ToUpper(strings.TrimRight(s, "; "))
	// QUIRK(date-forms): 2026-11-22T00:00Z[UTC] of Java, and the monotonic clock of Go.
	s, _, _ = strings.Cut(s, "[")
	s, _, _ = strings.Cut(s, " M=")
	if day, rest, ok := strings.Cut(s, ","); ok && len(day) < 16 && !strings.ContainsAny(day, "0123456789") {
		s = rest
	}
	words := strings.Fields(s)
	if len(words) > 0 && isAlpha(words[0]) && !isMonth(words[0]) {
		words, form = words[1:], DateOther
	}
	for i := 1; i < len(words); i++ {
		switch {
		case !isAlpha(words[i]), isMonth(words[i]), words[i] == "AM", words[i] == "PM":
		case len(words[i-1]) >= 5 && strings.Trim(words[i-1][:1], "+-") == "":
			// QUIRK(date-forms): 2026-11-22 01:00:00 +0100 CET, as Go prints it.
			words, form = slices.Delete(words, i, i+1), DateOther
			i--
		default:
			if words[i] = zoneOffset(words[i]); words[i] == "" {
				words[i], form = "+0000", DateOther // RFC 5322 reads unknown names as -0000.
			}
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
