package unpack

import (
	"bytes"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// cutField splits the first line of b into the name and the value of a header
// field. name is nil when the line is no field.
func cutField(b []byte) (name, value []byte) {
	line, _ := cutLine(b)
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

// maxFieldName is the longest name of a field that is believed.
const maxFieldName = 128

// header iterates over the fields of a header block.
type header struct{ rest []byte }

// next returns the next field; the value is verbatim with its folded lines.
// Lines that are no fields are passed over. name is nil at the end.
func (h *header) next() (name, value []byte) {
	for len(h.rest) > 0 {
		b := h.rest
		end := fieldEnd(b)
		h.rest = b[end:]
		if name, _ = cutField(b[:end]); name != nil {
			return name, b[bytes.IndexByte(b, ':')+1 : end]
		}
	}
	return nil, nil
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

// cutHeader splits a mail or part at the first empty line. ok is false when
// the header is longer than limit.
func cutHeader(b []byte, limit int) (head, body []byte, ok bool) {
	at := 0
	for at < len(b) {
		if b[at] == '\n' {
			return b[:at], b[at+1:], true
		}
		if b[at] == '\r' && at+1 < len(b) && b[at+1] == '\n' {
			return b[:at], b[at+2:], true
		}
		i := bytes.IndexByte(b[at:min(len(b), at+limit+1)], '\n')
		if i < 0 {
			at = len(b)
		} else {
			at += i + 1
		}
		if at > limit {
			return nil, nil, false
		}
	}
	return b, nil, at <= limit
}

// unfold joins the lines of a field and trims it.
func unfold(value []byte) string {
	value = bytes.TrimSpace(value)
	if bytes.IndexByte(value, '\n') < 0 {
		return string(value)
	}
	var s strings.Builder
	for len(value) > 0 {
		line, rest := cutLine(value)
		s.Write(line)
		value = rest
	}
	return s.String()
}

// param returns a parameter of a structured field such as Content-Type,
// unquoted. Continuations (RFC 2231) are joined; percent-encoding and
// character sets are left alone, because only boundaries must be exact.
func param(value []byte, name string) []byte {
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

// fieldIs compares a field name with dashes and underscores left out, so that
// ContentType is Content-Type. want is lower case without dashes.
//
// QUIRK(mail-contenttype-typo): Trustwave sends "ContentType:".
func fieldIs(name []byte, want string) bool {
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

// mailFields are names that only a mail header has, lower case without dashes.
var mailFields = []string{
	"received", "from", "to", "cc", "subject", "date", "messageid", "mimeversion", "contenttype",
	"contenttransferencoding", "contentdisposition", "returnpath", "deliveredto", "dkimsignature",
	"authenticationresults", "receivedspf", "replyto", "sender", "feedbacktype", "tlsreportdomain",
	"arcseal", "xoriginalto", "envelopeto", "autosubmitted", "inreplyto", "references",
}

// isMailField reports whether a field belongs to a mail.
func isMailField(name []byte) bool {
	for _, f := range mailFields {
		if text.Lower(name[0]) == f[0] && fieldIs(name, f) {
			return true
		}
	}
	return false
}

// isMail reports whether b starts with a mail header: at least two fields of
// which one is of a mail, or one such field and an empty line.
//
// QUIRK(mail-broken-header): the first two lines may be anything.
func isMail(b []byte) bool {
	fields, known, broken := 0, 0, 0
	for lines := 0; len(b) > 0 && lines < 200; lines++ {
		line, rest := cutLine(b)
		name, _ := cutField(b)
		switch {
		case len(line) == 0 && known > 0:
			return true
		case len(line) == 0 && fields == 0 && lines < 3:
		case name != nil:
			fields++
			if isMailField(name) {
				known++
			}
			if known > 2 {
				return true
			}
		case len(line) > 0 && (line[0] == ' ' || line[0] == '\t') && fields > 0:
		default:
			if broken++; broken > 2 || lines > 2 || len(line) == 0 {
				return known > 0 && fields > 1 && len(line) == 0
			}
		}
		b = rest
	}
	return known > 0 && fields > 1
}
