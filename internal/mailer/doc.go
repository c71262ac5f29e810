// Package mailer sends a mail that has a text and the same as HTML, by SMTP or
// through the sendmail program of the machine.
package mailer
