package dmarc

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// charset is how the bytes of a document become text. Markup is ASCII in all
// of them, because UTF-16 is converted to UTF-8 before it reaches the scanner.
type charset uint8

const (
	charsetUTF8 charset = iota
	charsetASCII
	charset1252 // ISO 8859-1 is read as its superset windows-1252
	charset8859x15
)

// charsetOf finds the charset for the name in an XML declaration. It reports
// false for unknown names.
func charsetOf(name string) (c charset, ok bool) {
	switch strings.ToLower(name) {
	case "utf-8":
		return charsetUTF8, true
	case "us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us":
		return charsetASCII, true
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1", "windows-1252", "cp1252", "cp-1252", "ansi":
		return charset1252, true
	case "iso-8859-15", "iso8859-15", "iso_8859-15", "latin9", "latin-9":
		return charset8859x15, true
	}
	return charsetUTF8, false
}

// windows1252 maps the bytes 0x80 to 0x9f, which ISO 8859-1 leaves to control
// characters. The five that windows-1252 leaves out are replaced.
var windows1252 = [32]rune{
	'€', '\uFFFD', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\uFFFD', 'Ž', '\uFFFD',
	'\uFFFD', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\uFFFD', 'ž', 'Ÿ',
}

// byteRune decodes one byte of a single-byte charset; other charsets fall
// back to windows-1252.
func (c charset) byteRune(b byte) rune {
	if c == charset8859x15 {
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

// utf16Order recognises UTF-16 by its byte order mark or by its first '<'.
func utf16Order(b []byte) (big, bom, ok bool) {
	switch {
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE}):
		return false, true, true
	case bytes.HasPrefix(b, []byte{0xFE, 0xFF}):
		return true, true, true
	case bytes.HasPrefix(b, []byte{'<', 0}):
		return false, false, true
	case bytes.HasPrefix(b, []byte{0, '<'}):
		return true, false, true
	}
	return false, false, false
}

func isUTF32(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0xFF, 0xFE, 0, 0}) || bytes.HasPrefix(b, []byte{0, 0, 0xFE, 0xFF}) ||
		bytes.HasPrefix(b, []byte{'<', 0, 0, 0}) || bytes.HasPrefix(b, []byte{0, 0, 0, '<'})
}

// utf16Reader converts UTF-16 to UTF-8. Unpaired surrogates become U+FFFD.
type utf16Reader struct {
	r        io.Reader
	big      bool
	in       [4096]byte
	from, to int // unread bytes of in
	out      []byte
	unread   []byte // of out
	replaced bool   // something was not UTF-16
	err      error
}

// Read fills p with UTF-8.
func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.unread) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.convert()
	}
	n := copy(p, u.unread)
	u.unread = u.unread[n:]
	return n, nil
}

func (u *utf16Reader) convert() {
	u.to = copy(u.in[:], u.in[u.from:u.to])
	u.from = 0
	n, err := u.r.Read(u.in[u.to:])
	u.to, u.err = u.to+n, err
	out := u.out[:0]
	for u.to-u.from >= 2 {
		r := rune(u.unit(u.from))
		size := 2
		if utf16.IsSurrogate(r) {
			if u.to-u.from < 4 && u.err == nil {
				break
			}
			low := rune(0)
			if u.to-u.from >= 4 {
				low = rune(u.unit(u.from + 2))
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				size = 4
			} else {
				u.replaced = true
			}
		}
		out = utf8.AppendRune(out, r)
		u.from += size
	}
	if u.err != nil && u.from < u.to {
		out = utf8.AppendRune(out, utf8.RuneError)
		u.from, u.replaced = u.to, true
	}
	u.out, u.unread = out, out
}

func (u *utf16Reader) unit(i int) uint16 {
	if u.big {
		return uint16(u.in[i])<<8 | uint16(u.in[i+1])
	}
	return uint16(u.in[i+1])<<8 | uint16(u.in[i])
}
