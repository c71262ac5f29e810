package text

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// AppendLower appends b, which is UTF-8, in lower case.
func AppendLower(dst, b []byte) []byte {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return append(dst, bytes.ToLower(b[i:])...)
		}
		dst = append(dst, Lower(c))
	}
	return dst
}

// TrimAngles removes the angle brackets around an address or a message id and
// the white space inside of them.
func TrimAngles(s string) string {
	if n := len(s); n >= 2 && s[0] == '<' && s[n-1] == '>' {
		return strings.TrimSpace(s[1 : n-1])
	}
	return s
}

// Lower folds an ASCII letter.
func Lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// EqualFold compares with ASCII case folded; s is lower case.
func EqualFold(b []byte, s string) bool {
	return len(b) == len(s) && HasPrefixFold(b, s)
}

// HasPrefixFold is bytes.HasPrefix with ASCII case folded; prefix is lower case.
func HasPrefixFold(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if Lower(b[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// ContainsFold is bytes.Contains with ASCII case folded; sub is lower case.
func ContainsFold(b []byte, sub string) bool {
	if bytes.Contains(b, []byte(sub)) {
		return true
	}
	for ; len(b) >= len(sub); b = b[1:] {
		if HasPrefixFold(b, sub) {
			return true
		}
	}
	return false
}
