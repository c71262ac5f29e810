package mime

import (
	"bytes"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// Header is a block of header fields as sent.
type Header []byte

// Next cuts the first field, with its folded lines, from h. The value is
// verbatim. name is nil for lines that are not a field: value is then all of
// them. ok is false at the end.
func (h *Header) Next() (name, value []byte, ok bool) {
	b := *h
	if len(b) == 0 {
		return nil, nil, false
	}
	end := fieldEnd(b)
	*h = b[end:]
	if name, _ = CutField(b[:end]); name == nil {
		return nil, b[:end], true
	}
	return name, b[bytes.IndexByte(b, ':')+1 : end], true
}

// fieldEnd returns the length of the first field of b with its folded lines.
func fieldEnd(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return len(b)
		}
		at += i + 1
		if at == len(b) || b[at] != ' ' && b[at] != '\t' {
			return at
		}
	}
}

// CutLine splits b behind its first line. The line is without its end, which
// is CR CR LF in mails that went through a file in text mode.
//
// QUIRK(mail-crcrlf): Windows programs save a mail with CRLF so.
func CutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b, nil
	}
	return bytes.TrimRight(b[:i], "\r"), b[i+1:]
}

// maxFieldName is the longest name of a field that is believed.
const maxFieldName = 128

// CutField splits the first line of b into the name and the value of a header
// field. name is nil when the line is not a field.
func CutField(b []byte) (name, value []byte) {
	line, _ := CutLine(b)
	i := bytes.IndexByte(line, ':')
	if i <= 0 || i > maxFieldName {
		return nil, nil
	}
	for name = line[:i]; len(name) > 0 && (name[len(name)-1] == ' ' || name[len(name)-1] == '\t'); {
		name = name[:len(name)-1]
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return nil, nil
		}
	}
	if len(name) == 0 {
		return nil, nil
	}
	return name, line[i+1:]
}

// FieldIs compares a field name with dashes and underscores left out, so that
// ContentType is Content-Type. want is lower case without dashes.
//
// QUIRK(mail-contenttype-typo): Trustwave sends "ContentType:".
func FieldIs(name []byte, want string) bool {
	i := 0
	for _, c := range name {
		if c == '-' || c == '_' {
			continue
		}
		if i == len(want) || text.Lower(c) != want[i] {
			return false
		}
		i++
	}
	return i == len(want)
}

// Unfold joins the lines of a field with a space and trims them.
func Unfold(value []byte) string {
	value = bytes.TrimSpace(value)
	if bytes.IndexByte(value, '\n') < 0 {
		return string(value)
	}
	var s strings.Builder
	for len(value) > 0 {
		line, rest := CutLine(value)
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if s.Len() > 0 {
				s.WriteByte(' ')
			}
			s.Write(line)
		}
		value = rest
	}
	return s.String()
}

// Param returns a parameter of a structured field such as Content-Type,
// unquoted. Continuations (RFC 2231) are joined; percent-encoding and
// character sets are left alone, because only boundaries must be exact.
func Param(value []byte, name string) []byte {
	var joined []byte
	for {
		i := indexUnquoted(value, ';')
		if i < 0 {
			return joined
		}
		value = value[i+1:]
		end := indexUnquoted(value, ';')
		if end < 0 {
			end = len(value)
		}
		key, v, ok := bytes.Cut(value[:end], []byte("="))
		key = bytes.TrimSpace(key)
		if !ok || !text.HasPrefixFold(key, name) {
			continue
		}
		suffix := key[len(name):]
		switch {
		case len(suffix) == 0, len(suffix) == 1 && suffix[0] == '*':
			return unquoteParam(v)
		case suffix[0] == '*' && len(joined) < 1<<10:
			joined = append(joined, unquoteParam(v)...)
		}
	}
}

// indexUnquoted finds c outside of quoted strings.
func indexUnquoted(b []byte, c byte) int {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '"':
			quoted = !quoted
		case quoted && b[i] == '\\':
			i++
		case !quoted && b[i] == c:
			return i
		}
	}
	return -1
}

// unquoteParam takes the quotes and the white space off a parameter value.
func unquoteParam(v []byte) []byte {
	v = bytes.TrimSpace(v)
	if len(v) == 0 || v[0] != '"' {
		if i := bytes.IndexAny(v, " \t\r\n"); i >= 0 {
			v = v[:i] // a comment
		}
		return v
	}
	v = v[1:]
	if bytes.IndexByte(v, '\\') < 0 {
		v, _, _ = bytes.Cut(v, []byte(`"`))
		return v
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v) && v[i] != '"'; i++ {
		if v[i] == '\\' && i+1 < len(v) {
			i++
		}
		out = append(out, v[i])
	}
	return out
}

// WithoutComments removes comments and display names in quotation marks, which
// may hold angle brackets (RFC 5322, section 3.2).
func WithoutComments(s string) string {
	var t strings.Builder
	depth, quoted, angle := 0, false, strings.LastIndexByte(s, '<')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || depth > 0):
			i++
		case quoted:
			quoted = c != '"'
		case c == '"' && depth == 0 && i < angle:
			quoted = true
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			t.WriteByte(c)
		}
	}
	return strings.TrimSpace(t.String())
}
