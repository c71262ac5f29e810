package failure

import (
	"bytes"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// maxValue is the number of bytes of a value that are kept.
const maxValue = 4096

// field is a header field: the name in lower case, the value unfolded.
type field struct{ name, value string }

// parseFields reads a block of header fields. Lines that are no fields are
// passed over. warn is told what was repaired; it may be nil.
func parseFields(b []byte, warn func(dmarc.Code, string)) []field {
	if warn == nil {
		warn = func(dmarc.Code, string) {}
	}
	var fields []field
	for len(b) > 0 {
		line, rest := cutField(b)
		b = rest
		name, value, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimSpace(name)
		if !ok || !isName(name) {
			if t := bytes.TrimSpace(line); len(t) > 0 {
				warn(CodeFieldMalformed, string(t))
			}
			continue
		}
		fields = append(fields, field{strings.ToLower(string(name)), unfold(value, warn)})
	}
	return fields
}

// cutField splits b behind the first field with its folded lines.
func cutField(b []byte) (line, rest []byte) {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return b, nil
		}
		if at += i + 1; at == len(b) || b[at] != ' ' && b[at] != '\t' {
			return b[:at], b[at:]
		}
	}
}

func isName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 128
}

// unfold joins the lines of a value with a space.
func unfold(value []byte, warn func(dmarc.Code, string)) string {
	var joined []byte
	for line := range bytes.SplitSeq(value, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(joined) > 0 {
			joined = append(joined, ' ')
		}
		joined = append(joined, line...)
		if len(joined) > maxValue {
			break
		}
	}
	t, repaired := text.Valid(joined)
	if repaired {
		warn(CodeInvalidText, t)
	}
	if len(t) > maxValue {
		t = text.Cut(t, maxValue)
		warn(CodeValueCut, t)
	}
	return t
}

// get returns the value of the first field called name, which is lower case.
func get(fields []field, name string) string {
	for _, f := range fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// has reports whether there is a field called name, which is lower case.
func has(fields []field, name string) bool {
	for _, f := range fields {
		if f.name == name {
			return true
		}
	}
	return false
}

// param returns a parameter of a structured value such as a Content-Type.
// Continuations and encodings of RFC 2231 do not occur in boundaries.
func param(value, name string) string {
	_, value, _ = strings.Cut(value, ";")
	for {
		key, rest, ok := strings.Cut(value, "=")
		if !ok {
			return ""
		}
		var v string
		rest = strings.TrimSpace(rest)
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			v, value, _ = strings.Cut(quoted, `"`)
		} else {
			n := strings.IndexAny(rest+";", "; \t")
			v, value = rest[:n], rest[n:]
		}
		key = key[strings.LastIndexByte(key, ';')+1:]
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return v
		}
	}
}
