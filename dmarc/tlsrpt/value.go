package tlsrpt

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// maxStrings bounds policy-string and mx-host of one policy.
const maxStrings = 1000

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
	n, form := text.Count(t)
	switch form {
	case text.CountRepaired:
		return n, CodeCountRepaired
	case text.CountInvalid:
		return 0, CodeCountInvalid
	case text.CountRange:
		return 0, CodeCountRange
	}
	return n, ""
}

// date reads a date; what is unreadable stays the zero time, which refuses the
// report at its end.
func (d *decoder) date() (time.Time, error) {
	t, err := d.dateText()
	if err != nil {
		return time.Time{}, err
	}
	// QUIRK(tls-date-odd): no zone (Microsoft), fractions, offsets, lower case.
	date, form := text.Date(t)
	if form != text.DateInvalid && t != date.Format(time.RFC3339) {
		d.warning(CodeDateForm, t)
	}
	return date, nil
}

// dateText reads a date, or the one in {"date": "…", "timezone": "UTC"}.
func (d *decoder) dateText() (t string, err error) {
	b, err := d.peek()
	if err != nil {
		return "", err
	}
	if b != '{' {
		return d.string()
	}
	// QUIRK(tls-date-object): a DateTime of PHP as JSON.
	d.warning(CodeWrongType, "date")
	var zone string
	err = d.object(func(key string) error {
		switch key {
		case "date":
			t, err = d.string()
		case "timezone":
			zone, err = d.string()
		default:
			err = d.skip()
		}
		return err
	})
	if t != "" && zone != "" {
		t += " " + zone
	}
	return t, err
}

// domain reads a domain and folds it.
func (d *decoder) domain() (string, error) {
	t, err := d.string()
	if t == "" || err != nil {
		return "", err
	}
	domain, form := d.toASCII.Host(t)
	switch form {
	case text.HostInvalid:
		d.warning(CodeDomainInvalid, t)
	case text.HostFolded:
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
	a, repaired := text.Addr(t)
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
