// Package imap reads reports from mailboxes over IMAP4.
//
// Mails are known by UID and UIDVALIDITY, never by \Seen or by sequence
// number. A batch of mails is fetched and delivered, and only what deliver
// confirmed is then flagged, moved or deleted, as configured separately for
// counted, known and refused mails. A mail that the server does not hand out
// waits while the others go on, and counts as refused after a day; no mail is
// blamed for an outage. Nothing is passed over that was not seen to be gone.
//
// Nothing that the server sends is trusted: commands have deadlines, mails
// are fetched by size, and their structure is never asked for, since the
// client library would buffer it without bound. Answers that deviate from the
// rules are put right before the library reads them.
package imap
