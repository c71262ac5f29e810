package text

import (
	"strings"
	"unicode/utf8"
)

// Charset is how the bytes of a document become text. Markup is ASCII in all
// of them, because UTF-16 is converted by a UTF16Reader before it is read.
type Charset uint8

// The character sets that are read.
const (
	UTF8 Charset = iota
	ASCII
	Windows1252 // ISO 8859-1 is read as its superset windows-1252
	ISO8859x15
	Converted // another one, converted to UTF-8 on the way in
	Unknown   // another one, of which only ASCII is read
)

// Named finds the charset for a name, such as the one of an XML declaration. It
// reports false for other names than those of the few that need no table.
func Named(name string) (c Charset, ok bool) {
	switch strings.ToLower(name) {
	case "utf-8":
		return UTF8, true
	case "us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us":
		return ASCII, true
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1", "windows-1252", "cp1252", "cp-1252", "ansi":
		return Windows1252, true
	case "iso-8859-15", "iso8859-15", "iso_8859-15", "latin9", "latin-9":
		return ISO8859x15, true
	}
	return UTF8, false
}

// SingleByte reports whether each byte of c is one character.
func (c Charset) SingleByte() bool { return c == Windows1252 || c == ISO8859x15 }

// windows1252 maps the bytes 0x80 to 0x9f, which ISO 8859-1 leaves to control
// characters. The five that windows-1252 leaves out are replaced.
var windows1252 = [32]rune{
	'€', '\uFFFD', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\uFFFD', 'Ž', '\uFFFD',
	'\uFFFD', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\uFFFD', 'ž', 'Ÿ',
}

// Rune decodes one byte of a single-byte charset; other charsets fall back to
// windows-1252.
func (c Charset) Rune(b byte) rune {
	if c == ISO8859x15 {
		switch b {
		case 0xA4:
			return '€'
		case 0xA6:
			return 'Š'
		case 0xA8:
			return 'š'
		case 0xB4:
			return 'Ž'
		case 0xB8:
			return 'ž'
		case 0xBC:
			return 'Œ'
		case 0xBD:
			return 'œ'
		case 0xBE:
			return 'Ÿ'
		}
	}
	if b >= 0x80 && b < 0xA0 {
		return windows1252[b-0x80]
	}
	return rune(b)
}

// Valid returns b as valid UTF-8. Bytes that are not UTF-8 are read as
// windows-1252, which is what they nearly always are; repaired says so.
func Valid(b []byte) (s string, repaired bool) {
	if utf8.Valid(b) {
		return string(b), false
	}
	var t strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			r = Windows1252.Rune(b[0])
		}
		t.WriteRune(r)
		b = b[n:]
	}
	return t.String(), true
}

// Cut returns the beginning of s as valid UTF-8 of at most n bytes. A byte that
// is not UTF-8 becomes U+FFFD.
func Cut(s string, n int) string {
	// What replaces a byte is longer, so both the input and the output are cut.
	return Truncate(strings.ToValidUTF8(Truncate(s, n), "\uFFFD"), n)
}

// Truncate cuts s before the character that reaches past n bytes.
func Truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax && i >= 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}
