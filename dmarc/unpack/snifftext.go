package unpack

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// sniffText decides what text is that starts with neither white space nor the
// magic of a binary format. skip is the number of leading bytes of junk.
func sniffText(b []byte, whole bool) (f format, skip int) {
	switch {
	case len(b) == 0:
		return formatEmpty, 0
	case b[0] == '<':
		if isQuotedXML(b) {
			return formatQuoted, 0
		}
		if isReportXML(b, whole) {
			return formatXML, 0
		}
		return formatOther, 0
	case b[0] == '{' || b[0] == '[':
		if isReportJSON(b, whole) {
			return formatJSON, 0
		}
		return formatOther, 0
	case mime.IsEnvelope(b):
		if _, rest := mime.CutLine(b); isMail(rest) {
			return formatMbox, 0
		}
	}
	if isMail(b) {
		return formatMail, 0
	}
	if line, _ := mime.CutLine(b); mime.IsUUBegin(line) {
		return formatUU, 0
	}
	if isBase64(b) {
		return formatBase64, 0
	}
	// QUIRK(leading-junk): text before the document, from a gateway or a person.
	for _, start := range []string{"<?xml", "<feedback"} {
		if i := bytes.Index(b, []byte(start)); i >= 0 && isText(b[:i]) && isReportXML(b[i:], whole) {
			return formatXML, i
		}
	}
	return formatOther, 0
}

// isText reports whether b has no control characters but white space.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// reportSigns are what the start of an aggregate report contains, whatever is
// wrong with it. All lower case.
var reportSigns = []string{"<feedback", ":feedback", "report_metadata", "policy_published", "<record"}

// isReportXML reports whether b, which starts with '<', may be the start of an
// aggregate report. It errs on the side of yes: the decoder has the last word.
func isReportXML(b []byte, whole bool) bool {
	for _, m := range reportSigns {
		if text.ContainsFold(b, m) {
			return true
		}
	}
	return !whole && inProlog(b)
}

// inProlog reports whether b ends before the root element begins.
func inProlog(b []byte) bool {
	for {
		b = bytes.TrimLeft(b, blank)
		end := ">"
		switch {
		case len(b) == 0:
			return true
		case bytes.HasPrefix(b, []byte("<!--")):
			end = "-->"
		case bytes.HasPrefix(b, []byte("<?")):
			end = "?>"
		case text.HasPrefixFold(b, "<!doctype html"):
			return false
		case bytes.HasPrefix(b, []byte("<!")):
			if i := bytes.IndexByte(b, '['); i >= 0 && i < max(bytes.IndexByte(b, '>'), 0) {
				end = "]"
			}
		default:
			return false
		}
		_, rest, ok := bytes.Cut(b, []byte(end))
		if !ok {
			return true
		}
		b = rest
	}
}

// isReportJSON reports whether b, which starts with a bracket, may be the start
// of a TLS report: it names a key of one, or no key comes into sight.
func isReportJSON(b []byte, whole bool) bool {
	for _, key := range []string{`"organization-name"`, `"report-id"`, `"date-range"`, `"policies"`, `"contact-info"`} {
		if text.ContainsFold(b, key) {
			return true
		}
	}
	inside := bytes.TrimLeft(b, "[{"+blank)
	return !whole && (len(inside) == 0 || inside[0] == '"' && bytes.Count(inside, []byte(`"`)) < 2)
}

// isQuotedXML recognises quoted-printable by its escape of the sign that every XML declaration has.
func isQuotedXML(b []byte) bool {
	return bytes.HasPrefix(b, []byte("<?xml version=3D"))
}

// isBase64 recognises base64 of what a report starts with.
func isBase64(b []byte) bool {
	for _, p := range []string{
		"H4sI",         // gzip
		"UEsDB",        // zip
		"PD94bWwg",     // <?xml
		"PGZlZWRiYWNr", // <feedback
		"77u/PD94bWw",  // byte order mark, <?xml
		"eyJvcmdhbml6", // {"organiz
	} {
		if bytes.HasPrefix(b, []byte(p)) {
			line, _ := mime.CutLine(b)
			return mime.IsBase64Line(bytes.TrimSpace(line))
		}
	}
	return false
}
