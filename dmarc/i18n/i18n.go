package i18n

import (
	"io"

	"golang.org/x/net/idna"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Text returns Charset and Host as the fields of a dmarc.Text.
func Text() dmarc.Text { return dmarc.Text{Charset: Charset, Host: Host} }

// Charset returns a reader that converts r to UTF-8 from the character set
// that the IANA or the WHATWG knows by name; case does not matter. It is nil for unknown
// names, and for character sets in which the markup of a document is not
// ASCII, such as EBCDIC: a document that names one in ASCII is not in it.
func Charset(name string, r io.Reader) io.Reader {
	// Browsers read windows-1254 where ISO 8859-9 is declared and GBK where
	// GB 2312 is: supersets, which is what writers mean.
	if e, err := htmlindex.Get(name); err == nil && keepsASCII(e) {
		return e.NewDecoder().Reader(r)
	}
	for _, index := range []*ianaindex.Index{ianaindex.IANA, ianaindex.MIME} {
		if e, err := index.Encoding(name); err == nil && e != nil && keepsASCII(e) {
			return e.NewDecoder().Reader(r)
		}
	}
	return nil
}

func keepsASCII(e encoding.Encoding) bool {
	const markup = `<?xml version="1.0"?><feedback>`
	s, err := e.NewDecoder().String(markup)
	return err == nil && s == markup
}

// Host returns name, which may have U-labels and may be in upper case, as the DNS holds it: with
// A-labels (RFC 5891, by the mapping of UTS 46).
func Host(name string) (string, error) {
	// Some domains have underscores, and two hyphens in odd places.
	return idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false), idna.CheckHyphens(false)).ToASCII(name)
}
