package unpack

import (
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/mime"
	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

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
		if text.Lower(name[0]) == f[0] && mime.FieldIs(name, f) {
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
		line, rest := mime.CutLine(b)
		name, _ := mime.CutField(b)
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
