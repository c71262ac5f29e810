// Package lenient reads the small values that TLS and failure reports share,
// in the forms that reporters really send, and says what it had to repair.
package lenient

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Warnings collects the warnings of one report: at most dmarc.MaxWarnings, but
// always the first of each code. The zero value is ready to use.
type Warnings struct {
	List    []dmarc.Warning
	Dropped int
	seen    map[dmarc.Code]bool
}

// Add appends a warning. It takes any value, valid UTF-8 or not, of any length.
func (w *Warnings) Add(code dmarc.Code, line int, offset int64, value string) {
	if w.seen == nil {
		w.seen = map[dmarc.Code]bool{}
	}
	if len(w.List) >= dmarc.MaxWarnings {
		w.Dropped++
		if w.seen[code] || !w.makeRoom() {
			return
		}
	}
	w.seen[code] = true
	w.List = append(w.List, dmarc.Warning{Code: code, Line: line, Offset: offset, Value: Cut(value, 64)})
}

// makeRoom removes the last warning that is not the first of its code.
func (w *Warnings) makeRoom() bool {
	for i := len(w.List) - 1; i > 0; i-- {
		for _, before := range w.List[:i] {
			if before.Code == w.List[i].Code {
				w.List = append(w.List[:i], w.List[i+1:]...)
				return true
			}
		}
	}
	return false
}

// Cut returns the beginning of s as valid UTF-8 of at most n bytes. A byte that
// is no UTF-8 becomes U+FFFD.
func Cut(s string, n int) string {
	// What replaces a byte is longer, so both the input and the output are cut.
	return truncate(strings.ToValidUTF8(truncate(s, n), "\uFFFD"), n)
}

// truncate cuts s before the character that reaches past n bytes.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

// Text returns b as valid UTF-8. Bytes that are no UTF-8 are read as
// windows-1252, which is what they nearly always are; repaired says so.
func Text(b []byte) (s string, repaired bool) {
	if utf8.Valid(b) {
		return string(b), false
	}
	var t strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			r = windows1252(b[0])
		}
		t.WriteRune(r)
		b = b[n:]
	}
	return t.String(), true
}

// windows1252 maps a byte of 0x80 and above.
func windows1252(b byte) rune {
	const high = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"
	if b >= 0xa0 {
		return rune(b)
	}
	return []rune(high)[b-0x80]
}

// Domain folds a domain to lower case without white space around it and
// without a trailing dot. folded says that this changed it; ok is false when
// the result is empty or cannot be a host name. Internationalised names and
// underscores pass.
func Domain(s string) (domain string, folded, ok bool) {
	domain = strings.ToLower(strings.TrimSpace(s))
	if len(domain) > 1 {
		domain = strings.TrimSuffix(domain, ".")
	}
	return domain, domain != s, hostname(domain)
}

func hostname(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 && isASCII(label) {
			return false
		}
		for _, c := range []byte(label) {
			if c >= 0x80 || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
				continue
			}
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// Addr finds the first IP address in s: alone, in brackets, as an address
// literal, with a port, a zone or a host name beside it. repaired says that s
// is more than a plain address. The zero Addr means that there is none.
func Addr(s string) (a netip.Addr, repaired bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.WithZone("").Unmap(), a.Zone() != "" || a.Is4In6()
	}
	separator := func(r rune) bool { return strings.ContainsRune(" \t\r\n()[]<>,;=\"", r) }
	for word := range strings.FieldsFuncSeq(s, separator) {
		if len(word) > 5 && strings.EqualFold(word[:5], "IPv6:") {
			word = word[5:]
		}
		a, err := netip.ParseAddr(word)
		if err != nil {
			a, err = netip.ParseAddr(decimal(word))
		}
		if err != nil {
			var ap netip.AddrPort
			ap, err = netip.ParseAddrPort(word)
			a = ap.Addr()
		}
		if err == nil {
			return a.WithZone("").Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// decimal removes the leading zeros of a dotted quad, which some pad to a fixed width.
func decimal(s string) string {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return s
	}
	for i, p := range parts {
		for len(p) > 1 && p[0] == '0' {
			p = p[1:]
		}
		parts[i] = p
	}
	return strings.Join(parts, ".")
}
