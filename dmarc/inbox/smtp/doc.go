// Package smtp has a listener for SMTP and LMTP as a source of package inbox.
package smtp
