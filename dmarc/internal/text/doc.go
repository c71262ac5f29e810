// Package text reads the small values that all kinds of reports share, in the
// forms that reporters really send: character sets, host names, addresses,
// dates and counts. There is one rule for each of them, and it is here.
//
// Functions repair what they can and say so in their results; which warning
// that is, and whether a form is regular, is the business of the caller. The
// package knows nothing of reports and imports the standard library alone.
package text
