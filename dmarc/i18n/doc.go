// Package i18n lets the packages below dmarc read the character sets of all
// scripts and know that gärten.example and xn--grten-iwa.example are one
// domain. It is a package of its own because of what it imports,
// golang.org/x/text and golang.org/x/net: give what Text returns to a
// dmarc.Decoder, tlsrpt.Parser, failure.Parser or tally.Reader.
package i18n
