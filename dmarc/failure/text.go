package failure

import (
	"bytes"
	"strings"
)

// readPlainText reads the lines up to the copy of the failed message, and takes
// the copy for evidence unless there is a part for it.
func (d *decoder) readPlainText() []field {
	b := d.feedback
	var fields []field
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("----")) {
			break
		}
		key, value, ok := strings.Cut(string(line), ":")
		if name := plainName(strings.ToLower(strings.TrimSpace(key))); ok && name != "" {
			fields = append(fields, field{name, cleanValue([]byte(value), d.warn)})
		}
	}
	if !d.found {
		// The header stands behind an empty line, after the sentence that
		// introduces it.
		if i := bytes.Index(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n\n")); i >= 0 {
			b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))[i+2:]
			d.found, d.evidence = len(bytes.TrimSpace(b)) > 0, b
		}
	}
	d.report.AuthFailure = AuthFailureDMARC
	return fields
}

// plainName returns the field of RFC 5965 for a line of the plain text.
func plainName(key string) string {
	switch key {
	case "sender domain":
		return "reported-domain"
	case "sender ip address":
		return "source-ip"
	case "received date":
		return "arrival-date"
	}
	return ""
}
