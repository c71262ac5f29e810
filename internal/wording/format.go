package wording

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc/reportjson"
)

// Day returns a day, nothing for no time.
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// Period returns the days of a report: one if it is a whole day, give or take an hour.
func Period(begin, end *time.Time) string {
	if begin == nil || end == nil {
		return "-"
	}
	first, last := begin.Format(time.DateOnly), end.Add(-time.Second).Format(time.DateOnly)
	if first == last || end.Before(*begin) || end.Equal(*begin) {
		return first
	}
	return first + "…" + last
}

// Percent returns a share; nothing of nothing is "-". Only all is 100 %.
func Percent(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	share := float64(part) * 100 / float64(whole)
	if part < whole {
		share = min(share, 99.9)
	}
	return strconv.FormatFloat(share, 'f', 1, 64) + "%"
}

// Grouped returns a number with its thousands apart.
func Grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Plural returns a number of things.
func Plural(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return Grouped(n) + " " + thing
}

// Cell makes a text harmless for CSV that untrusted input chose: a spreadsheet
// takes what begins with one of these for a formula, control characters steer
// terminals and break lines, and format characters show it in another order.
func Cell(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	if first, _ := utf8.DecodeRuneInString(text); strings.ContainsRune("=+-@＝＋－＠", first) {
		return "'" + text
	}
	return text
}

// Policy returns a policy as its record in DNS has it.
func Policy(p *reportjson.PublishedPolicy) string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	add("p", string(p.P))
	add("sp", string(p.SP))
	add("np", string(p.NP))
	add("adkim", string(p.ADKIM))
	add("aspf", string(p.ASPF))
	if p.Pct != nil {
		add("pct", strconv.Itoa(*p.Pct))
	}
	add("t", p.Testing)
	add("fo", p.Fo)
	return strings.Join(parts, " ")
}
