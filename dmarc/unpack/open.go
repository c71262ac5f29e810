package unpack

import (
	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// What w.pass says.
const (
	noReport = "neither a report nor a container of one"
	noBytes  = "nothing but white space"
)

// open decides what in is and goes through it. Like everything below it, it
// returns only errors that end the walk; refusals go to visit or to w.rejection.
func (w *Walker) open(in *input) error {
	f, skip := w.decide(in)
	if in.failed() && !isStream(f) {
		return w.refuse(in.err) // the layer below is damaged at its very start
	}
	if skip > 0 && f != formatEmpty && f != formatOther {
		w.warn(CodeLeadingJunk, in.peek(skip))
		in.discard(skip)
	}
	switch f {
	case formatXML:
		return w.openSequence(KindAggregate, in)
	case formatJSON:
		return w.openSequence(KindTLS, in)
	case formatOther:
		w.pass(dmarc.ReasonNotAReport, noReport)
		return nil
	case formatEmpty:
		w.pass(dmarc.ReasonEmpty, noBytes)
		return nil
	case formatOutlook:
		return w.refuse(refusal(dmarc.ReasonUnsupported, "an Outlook message file"))
	case formatTNEF:
		return w.refuse(refusal(dmarc.ReasonUnsupported, "a winmail.dat (TNEF) attachment"))
	case formatArchive:
		return w.refuse(refusal(dmarc.ReasonUnsupported, "%s, which is neither zip, gzip, zlib, bzip2 nor tar", archiveName(in.peek(sniffSize))))
	case formatEncrypted:
		return w.refuse(refusal(dmarc.ReasonEncrypted, "an encrypted message"))
	}
	if w.depth >= w.limits.Depth {
		return w.refuse(refusal(dmarc.ReasonTooDeep, "more than %d containers around it", w.limits.Depth))
	}
	switch f {
	case formatGzip, formatZlib:
		return w.openStream(in, f)
	case formatBzip2:
		return w.openBzip2(in)
	case formatMbox:
		return w.openMbox(in)
	}
	b, err := w.hold(in)
	if err != nil {
		return w.refuse(err)
	}
	defer func() { w.held -= int64(len(b)) }()
	switch f {
	case formatZip:
		return w.openZip(b)
	case formatTar:
		return w.openTar(b)
	case formatBase64, formatUU, formatQuoted:
		return w.openEncoded(b, f)
	default:
		return w.openMail(b)
	}
}

// isStream reports whether a document of the format, or one inside it, may be
// given out before its end was seen.
func isStream(f format) bool {
	switch f {
	case formatXML, formatJSON, formatGzip, formatZlib, formatBzip2, formatMbox:
		return true
	default:
		return false
	}
}

// decide sniffs in. It drops leading white space that fills the look-ahead.
func (w *Walker) decide(in *input) (f format, skip int) {
	for {
		head, whole := in.head()
		f, skip = sniff(head, whole)
		if f != formatEmpty || len(head) < sniffSize {
			return f, skip
		}
		w.warn(CodeLeadingJunk, nil)
		in.skip(blank)
	}
}
