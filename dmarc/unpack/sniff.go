package unpack

import (
	"bytes"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// format is what the first bytes of a thing say it is.
type format int

const (
	formatOther format = iota // no report and no container
	formatEmpty
	formatXML  // an aggregate report
	formatJSON // a TLS report
	formatGzip
	formatZlib
	formatBzip2
	formatZip
	formatTar
	formatMail
	formatMbox
	formatBase64    // base64 without a header that says so
	formatUU        // uuencode without a header that says so
	formatQuoted    // quoted-printable without a header that says so
	formatOutlook   // Outlook .msg
	formatTNEF      // winmail.dat
	formatArchive   // another compression or archive format
	formatEncrypted // an encrypted mail
)

// blank are the bytes that may stand before a document: white space, NUL and
// the bytes of the UTF-8 byte order mark.
const blank = " \t\r\n\x00\xef\xbb\xbf"

// sniff decides by the first bytes of an input what it is. whole says that
// head is everything. skip is the number of leading bytes that do not belong
// to it.
func sniff(head []byte, whole bool) (f format, skip int) {
	if f := sniffMagic(head); f != formatOther {
		return f, 0
	}
	if ascii, ok := text.Narrow(head); ok {
		// The decoders read UTF-16 themselves: nothing is skipped.
		f, _ = sniffText(bytes.TrimLeft(ascii, blank), whole)
		if f == formatXML || f == formatJSON {
			return f, 0
		}
		return formatOther, 0
	}
	rest := bytes.TrimLeft(head, blank)
	skip = len(head) - len(rest)
	if len(rest) == 0 {
		return formatEmpty, 0
	}
	if f := sniffMagic(rest); f != formatOther {
		return f, skip
	}
	f, junk := sniffText(rest, whole)
	switch {
	case f == formatXML && junk == 0, f == formatJSON:
		return f, 0 // the decoders warn of leading white space
	case f == formatOther:
		if i := bytes.Index(rest, []byte(zipLocal)); i >= 0 {
			return formatZip, 0 // QUIRK(zip-prefix): the directory knows where it starts
		}
	}
	return f, skip + junk
}

var magics = []struct {
	magic string
	f     format
}{
	{"\x1f\x8b\x08", formatGzip},
	{zipLocal, formatZip},
	{zipEnd, formatZip},
	{zipDescriptor + zipLocal, formatZip},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", formatOutlook},
	{"\x78\x9f\x3e\x22", formatTNEF},
	{"\xfd7zXZ\x00", formatArchive},
	{"7z\xbc\xaf\x27\x1c", formatArchive},
	{"Rar!\x1a\x07", formatArchive},
	{"\x28\xb5\x2f\xfd", formatArchive},
	{"\x1f\x9d", formatArchive},
	{"-----BEGIN PGP MESSAGE-----", formatEncrypted},
}

// archiveName says what a formatArchive is.
func archiveName(b []byte) string {
	for _, a := range []struct{ magic, name string }{
		{"\xfd7zXZ\x00", "an xz file"},
		{"7z\xbc\xaf\x27\x1c", "a 7z archive"},
		{"Rar!", "a rar archive"},
		{"\x28\xb5\x2f\xfd", "a zstd file"},
	} {
		if bytes.HasPrefix(b, []byte(a.magic)) {
			return a.name
		}
	}
	return "a file of compress"
}

func sniffMagic(b []byte) format {
	for _, m := range magics {
		if len(b) >= len(m.magic) && string(b[:len(m.magic)]) == m.magic {
			return m.f
		}
	}
	switch {
	case isZlib(b):
		return formatZlib
	case len(b) >= 10 && string(b[:3]) == "BZh" && string(b[4:10]) == "1AY&SY":
		return formatBzip2
	case isTar(b):
		return formatTar
	case isEnveloped(b):
		return formatEncrypted
	}
	return formatOther
}

// isZlib recognises the header of RFC 1950 with the window of every common
// compressor, unless it is text that starts with "x^".
func isZlib(b []byte) bool {
	if len(b) < 3 || b[0] != 0x78 || (uint(b[0])<<8|uint(b[1]))%31 != 0 || b[1]&0x20 != 0 {
		return false
	}
	for _, c := range b[:min(len(b), 32)] {
		if c >= 0x7f || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return true
		}
	}
	return false
}

// isTar recognises a tar header by its checksum, which all tar formats share.
func isTar(b []byte) bool {
	const size, at, end = 512, 148, 156
	if len(b) < size || b[0] == 0 {
		return false
	}
	var stated, sum uint64
	for i, c := range b[at:end] {
		switch {
		case c >= '0' && c <= '7':
			stated = stated<<3 | uint64(c-'0')
		case c != ' ' && c != 0 || i == 3:
			return false
		}
	}
	for _, c := range b[:size] {
		sum += uint64(c)
	}
	for _, c := range b[at:end] { // which counts as spaces
		sum += ' ' - uint64(c)
	}
	return sum == stated
}

// isEnveloped recognises CMS enveloped data (RFC 5652): an encrypted S/MIME mail.
func isEnveloped(b []byte) bool { return isCMS(b, 3) }

// isCMS recognises a CMS structure by the last number of its object identifier.
func isCMS(b []byte, content byte) bool {
	oid := []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, content}
	return len(b) > 2 && b[0] == 0x30 && bytes.Contains(b[:min(len(b), 32)], oid)
}
