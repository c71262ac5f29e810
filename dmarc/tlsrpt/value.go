package tlsrpt

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/lenient"
)

const (
	// maxCount bounds one count: no reporter sees a trillion sessions a day,
	// and a bound lets sums of counts never overflow.
	maxCount = 1_000_000_000_000
	// maxStrings bounds policy-string and mx-host of one policy.
	maxStrings = 1000
)

// string reads a text without white space around it. Numbers and booleans are
// kept as text, null is empty.
func (d *decoder) string() (string, error) {
	b, err := d.peek()
	if err != nil {
		return "", err
	}
	switch b {
	case '"':
		t, err := d.text()
		return strings.TrimSpace(t), err
	case '{', '[':
		d.warning(CodeWrongType, "")
		return "", d.skip()
	}
	t, err := d.literal()
	if err != nil || t == "null" {
		return "", err
	}
	d.warning(CodeWrongType, t)
	return t, nil
}

// strings reads an array of strings, one string in place of it, or null.
func (d *decoder) strings() (list []string, err error) {
	b, err := d.peek()
	if err != nil {
		return nil, err
	}
	add := func() error {
		t, err := d.string()
		switch {
		case t == "":
		case len(list) == maxStrings:
			d.warning(CodeListCut, t)
		default:
			list = append(list, t)
		}
		return err
	}
	if b == '[' {
		return list, d.array(add)
	}
	// QUIRK(tls-string-arrays): mx-host is a string in RFC 8460's own sample (erratum 6241).
	return list, add()
}

// count reads a count; what is unusable counts nothing.
func (d *decoder) count() (int64, error) {
	b, err := d.peek()
	if err != nil {
		return 0, err
	}
	var t string
	switch b {
	case '{', '[':
		d.warning(CodeCountInvalid, "")
		return 0, d.skip()
	case '"':
		// QUIRK(tls-count-odd): "5326".
		t, err = d.text()
	default:
		t, err = d.literal()
	}
	if err != nil {
		return 0, err
	}
	n, code := parseCount(strings.TrimSpace(t))
	if code == "" && b == '"' {
		code = CodeCountRepaired
	}
	if code != "" {
		d.warning(code, t)
	}
	return n, nil
}

func parseCount(t string) (int64, dmarc.Code) {
	if t == "" || t == "null" {
		return 0, CodeCountMissing
	}
	if n, err := strconv.ParseUint(t, 10, 64); err == nil {
		if n > maxCount {
			return 0, CodeCountRange
		}
		return int64(n), ""
	}
	f, err := strconv.ParseFloat(t, 64)
	switch {
	case math.IsNaN(f), err != nil && !math.IsInf(f, 0), strings.ContainsAny(t, "xX_nN"):
		return 0, CodeCountInvalid
	case f < 0, f > maxCount:
		return 0, CodeCountRange
	case f != math.Trunc(f):
		return 0, CodeCountInvalid
	}
	return int64(f), CodeCountRepaired
}

// dateLayouts are the forms of RFC 3339 and their neighbours, as seen in
// reports. A date without a zone is UTC.
var dateLayouts = [...]string{
	time.RFC3339,
	"2006-01-02T15:04:05",
	"2006-01-02T15:04:05-0700",
	"2006-01-02T15:04Z07:00",
	"2006-01-02 15:04:05",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05 UTC",
	"2006-01-02",
	time.RFC1123Z,
}

// date reads a date; what is unreadable stays the zero time, which refuses the
// report at its end.
func (d *decoder) date() (time.Time, error) {
	t, err := d.string()
	if err != nil {
		return time.Time{}, err
	}
	// QUIRK(tls-date-odd): no zone (Microsoft), fractions, offsets, lower case.
	upper := strings.ToUpper(t)
	date, ok := parseDate(upper)
	if !ok && upper != t {
		date, ok = parseDate(t)
	}
	if ok && t != date.Format("2006-01-02T15:04:05Z") {
		d.warning(CodeDateForm, t)
	}
	return date, nil
}

func parseDate(t string) (time.Time, bool) {
	for _, layout := range dateLayouts {
		if date, err := time.Parse(layout, t); err == nil {
			return plausible(date.Unix())
		}
	}
	if n, err := strconv.ParseInt(t, 10, 64); err == nil {
		for n > 1e11 {
			n /= 1000
		}
		return plausible(n)
	}
	return time.Time{}, false
}

// plausible takes whole seconds after 1970 and before the year 10000.
func plausible(seconds int64) (time.Time, bool) {
	const year10000 = 253402300800
	if seconds <= 0 || seconds >= year10000 {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0).UTC(), true
}

// domain reads a domain and folds it.
func (d *decoder) domain() (string, error) {
	t, err := d.string()
	if t == "" || err != nil {
		return "", err
	}
	domain, folded, ok := lenient.Domain(t)
	switch {
	case !ok:
		d.warning(CodeDomainInvalid, t)
	case folded:
		d.warning(CodeDomainNormalized, t)
	}
	return domain, nil
}

// address reads an IP address and keeps the text whatever it is.
func (d *decoder) address() (netip.Addr, string, error) {
	t, err := d.string()
	if t == "" || err != nil {
		return netip.Addr{}, "", err
	}
	a, repaired := lenient.Addr(t)
	switch {
	case !a.IsValid():
		d.warning(CodeAddressInvalid, t)
	case repaired:
		d.warning(CodeAddressRepaired, t)
	}
	return a, t, nil
}

// keyword reads a word of a closed vocabulary: the word, or other. The text is
// kept when it is not the word itself.
func keyword[T ~string](d *decoder, words []T, other T, unknown dmarc.Code) (word T, raw string, err error) {
	t, err := d.string()
	if t == "" || err != nil {
		return "", "", err
	}
	word = T(strings.ToLower(t))
	switch {
	case word == other || !slices.Contains(words, word):
		d.warning(unknown, t)
		return other, t, nil
	case string(word) != t:
		d.warning(CodeValueCase, t)
		return word, t, nil
	}
	return word, "", nil
}
