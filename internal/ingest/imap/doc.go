// Package imap reads reports from mailboxes over IMAP4.
//
// Mails are known by UID and UIDVALIDITY, never by \Seen or by sequence
// number. A batch of mails is fetched and delivered, and only what deliver
// confirmed is then flagged, moved or deleted, as configured separately for
// counted, known and refused mails. A mail that cannot be fetched is tried a
// bounded number of times and then counts as refused.
//
// Nothing that the server sends is trusted: commands have deadlines, mails
// are fetched by size, and their structure is never asked for, since the
// client library would buffer it without bound.
package imap
