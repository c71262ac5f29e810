package dmarc

import "io"

// Text is what the standard library does not know about text. Package i18n has
// it from golang.org/x/text and golang.org/x/net; the zero Text is safe to use
// and knows none of it. Its functions must be safe for concurrent use.
type Text struct {
	// Charset returns a reader that converts r from the character set of the
	// given name to UTF-8, with U+FFFD for what cannot be converted. It is nil
	// for a name that it does not know, and is asked for no character set
	// that this package reads itself.
	Charset func(name string, r io.Reader) io.Reader
	// Host returns the A-labels of a host name with U-labels (RFC 5891), so
	// that both are one domain. Without it, each stays as it is.
	Host func(name string) (string, error)
}
