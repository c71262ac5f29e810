// Package smtp receives reports by mail: a listener for SMTP or LMTP that can
// be the rua address itself, behind Postfix or another mail server.
//
// A mail is confirmed (250) only when its outcome is durable. While the store
// failed the answer is temporary (4xx), so that the sender's queue keeps
// the mail; what is no report is refused for good (5xx) with the reason.
package smtp
