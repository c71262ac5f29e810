package text

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// HostForm is what a text is as the name of a host or domain.
type HostForm uint8

// The forms of a host name.
const (
	HostNormal  HostForm = iota // in lower case and without a trailing dot
	HostFolded                  // a host name that AppendHost brings into its normal form
	HostInvalid                 // not a host name
)

const (
	maxHost  = 253 // bytes of a name (RFC 1035, section 2.3.4, without the root)
	maxLabel = 63  // bytes of a label
)

// CheckHost returns the form of s, which has no white space around it. It is the one
// rule of this module for host names: at most 253 bytes; labels of letters
// and digits of any script, hyphens and underscores; at most 63 bytes in a
// label, unless it is not ASCII: its A-label, which the DNS would
// hold, has another length.
func CheckHost[T []byte | string](s T) HostForm {
	form, label := HostNormal, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_':
			label++
		case c >= 'A' && c <= 'Z':
			label++
			form = HostFolded
		case c == '.' && label > 0 && label <= maxLabel:
			label = 0
		case c >= utf8.RuneSelf:
			return checkUnicode(string(s))
		default:
			return HostInvalid
		}
	}
	n := len(s)
	if label == 0 && n > 0 { // a trailing dot
		n--
		form = HostFolded
	}
	if n == 0 || n > maxHost || label > maxLabel {
		return HostInvalid
	}
	return form
}

// checkUnicode is CheckHost for a name that is not ASCII.
func checkUnicode(s string) HostForm {
	name := foldUnicode(s)
	if len(name) > maxHost || !utf8.ValidString(name) {
		return HostInvalid
	}
	for label := range strings.SplitSeq(name, ".") {
		ascii := true
		for _, r := range label {
			ascii = ascii && r < utf8.RuneSelf
			if r != '-' && r != '_' && !unicode.In(r, unicode.L, unicode.M, unicode.N) {
				return HostInvalid
			}
		}
		if label == "" || ascii && len(label) > maxLabel {
			return HostInvalid
		}
	}
	if name != s {
		return HostFolded
	}
	return HostNormal
}

// foldUnicode returns s in lower case and without a trailing dot. As UTS 46
// has it, the full stops of other scripts are dots, and characters that
// nobody sees are nothing.
func foldUnicode(s string) string {
	s = strings.Map(func(r rune) rune {
		switch r {
		case '\u3002', '\uFF0E', '\uFF61':
			return '.'
		case '\u00AD', '\u200B', '\u2060', '\uFEFF': // soft hyphen, no space, word joiner, byte order mark
			return -1
		}
		return unicode.ToLower(r)
	}, s)
	return strings.TrimSuffix(s, ".")
}

// IsASCII reports whether s is ASCII.
func IsASCII[T []byte | string](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// AppendHost appends s in lower case and without a trailing dot.
func AppendHost(dst, s []byte) []byte {
	dst = AppendLower(dst, s)
	if len(s) > 1 {
		dst = bytes.TrimSuffix(dst, []byte("."))
	}
	return dst
}

// A ToASCII returns the A-labels of a host name that is not ASCII, as the DNS
// holds it (RFC 5891), or an error. Nil keeps such names as they are.
type ToASCII func(name string) (string, error)

// Host is the method of a nil ToASCII.
func Host(s string) (host string, form HostForm) { return ToASCII(nil).Host(s) }

// Host returns s in its normal form: in lower case, without white space around
// it, without a trailing dot, and in ASCII if f can do it. What is no host name
// is returned in lower case. form is that of s with its white space.
func (f ToASCII) Host(s string) (host string, form HostForm) {
	trimmed := strings.TrimSpace(s)
	if f != nil && !IsASCII(trimmed) {
		return f.convert(trimmed)
	}
	if form = CheckHost(trimmed); form == HostNormal && trimmed == s {
		return s, form
	}
	if form == HostNormal {
		form = HostFolded
	}
	if form == HostFolded && !IsASCII(trimmed) {
		return foldUnicode(trimmed), form
	}
	return string(AppendHost(nil, []byte(trimmed))), form
}

func (f ToASCII) convert(s string) (string, HostForm) {
	name := foldUnicode(s)
	if !IsASCII(name) && utf8.ValidString(name) {
		if ascii, err := f(name); err == nil {
			name = ascii
		}
	}
	if !IsASCII(name) || CheckHost(name) == HostInvalid {
		return string(AppendHost(nil, []byte(s))), HostInvalid
	}
	return string(AppendHost(nil, []byte(name))), HostFolded
}

// AddressHost returns the host of a mail address, with or without angle
// brackets around it; it is empty when there is none that is valid.
func (f ToASCII) AddressHost(address string) string {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return ""
	}
	host, form := f.Host(strings.Trim(address[i+1:], "<>; "))
	if form == HostInvalid {
		return ""
	}
	return host
}
