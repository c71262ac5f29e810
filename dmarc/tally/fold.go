package tally

import (
	"strings"
	"unicode"
)

// lookalikes are letters of other alphabets, in lower case, that look like the
// Latin ones below them.
const (
	lookalikes = "асԁеһіјӏорѕухгԛԝαειικνορυτıɡ"
	latin      = "acdehijlopsyxrqwaeiiknoputig"
)

var latinOf = func() map[rune]rune {
	all, to := map[rune]rune{}, []rune(latin)
	for i, r := range []rune(lookalikes) {
		all[r] = to[i]
	}
	return all
}()

// foldName returns what names have in common that people take for the same one:
// without case, in wide letters, with letters of other alphabets among Latin
// ones, and without accents that are marks of their own.
func foldName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 0xFF01 && r <= 0xFF5E: // wide forms of ASCII
			return unicode.ToLower(r - 0xFEE0)
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, s)
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
		return s
	}
	folded := strings.Map(func(r rune) rune {
		if to, ok := latinOf[r]; ok {
			return to
		}
		return r
	}, s)
	// A name that is not all of other letters that look alike is one in an
	// alphabet of its own.
	if strings.ContainsFunc(folded, func(r rune) bool { return r >= 0x80 && unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) }) {
		return s
	}
	return folded
}
