package failure

import (
	"bytes"
	"encoding/base64"
)

// decodeBase64 decodes leniently: bytes outside the alphabet are passed over,
// padding may be missing.
func decodeBase64(b []byte) []byte {
	digits := make([]byte, 0, len(b))
	for _, c := range b {
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' {
			digits = append(digits, c)
		}
	}
	if len(digits)%4 == 1 {
		digits = digits[:len(digits)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(digits)))
	// The alphabet and the length were made right above.
	n, _ := base64.RawStdEncoding.Decode(out, digits)
	return out[:n]
}

// decodeQuoted decodes quoted-printable leniently: an invalid sequence is text.
func decodeQuoted(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '=')
		if i < 0 {
			return append(out, b...)
		}
		out, b = append(out, b[:i]...), b[i+1:]
		if end := bytes.TrimLeft(b, " \t\r"); len(end) > 0 && end[0] == '\n' {
			b = end[1:]
			continue
		}
		if len(b) >= 2 && isHex(b[0]) && isHex(b[1]) {
			out = append(out, unhex(b[0])<<4|unhex(b[1]))
			b = b[2:]
			continue
		}
		out = append(out, '=')
	}
	return out
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	if c >= 'A' {
		return c - 'A' + 10
	}
	return c - '0'
}
