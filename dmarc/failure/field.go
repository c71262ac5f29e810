package failure

import (
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// maxValue is the number of bytes of a value that are kept.
const maxValue = 4096

// field is a header field: the name in lower case, the value unfolded.
type field struct{ name, value string }

// parseFields reads a block of header fields. Lines that are no fields are
// passed over. warn is told what was repaired; it may be nil.
func parseFields(h mime.Header, warn func(dmarc.Code, string)) []field {
	if warn == nil {
		warn = func(dmarc.Code, string) {}
	}
	var fields []field
	for {
		name, value, ok := h.Next()
		switch {
		case !ok:
			return fields
		case name == nil:
			if t := strings.TrimSpace(string(value)); t != "" {
				warn(CodeFieldMalformed, t)
			}
		case mime.FieldIs(name, "feedbacktype"):
			fields = append(fields, field{"feedback-type", cleanValue(value, warn)})
		default:
			fields = append(fields, field{strings.ToLower(string(name)), cleanValue(value, warn)})
		}
	}
}

// cleanValue makes a value valid UTF-8 of at most maxValue bytes in one line.
func cleanValue(value []byte, warn func(dmarc.Code, string)) string {
	t, repaired := text.Valid([]byte(mime.Unfold(value)))
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
