// Package imap has mailboxes over IMAP4 as a source of package inbox.
package imap
