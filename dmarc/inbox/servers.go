package inbox

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Polling says how a mailbox on a server is read. The zero value works.
type Polling struct {
	// Poll is how often the source looks for mails, besides when the server notifies of
	// new ones; 0 means a minute.
	Poll time.Duration
	// Timeout bounds each command or request; 0 means 30 seconds, and a minute for
	// Graph and Gmail.
	Timeout time.Duration
	// MaxBytes is the size of the largest mail that is fetched; 0 means about 64 MB.
	MaxBytes int64
}

// With is for the packages below this one.
func (p Polling) With(o ingest.Options) ingest.Options {
	o.Poll, o.Timeout, o.MaxBytes = p.Poll, p.Timeout, p.MaxBytes
	return o
}

// Action is what happens to a mail. The zero value keeps it.
type Action struct {
	After After
	// Folder is where Move moves mails. It is created when it does not exist.
	Folder string
}

// Actions are what happens to mails that are done, and to those that are refused.
type Actions struct {
	Done, Refused Action
}

// Ingest is for the packages below this one.
func (a Actions) Ingest() ingest.Actions {
	done := ingest.Action{Kind: ingest.After(a.Done.After), Folder: a.Done.Folder}
	return ingest.Actions{Counted: done, Known: done, Refused: ingest.Action{Kind: ingest.After(a.Refused.After), Folder: a.Refused.Folder}}
}

// Security says how the connection to a mail server is protected.
type Security string

// The kinds of protection. The empty value means TLS.
const (
	TLS      Security = "tls"
	STARTTLS Security = "starttls"
	Insecure Security = "insecure-none"
)

// POP3Config configures a POP3 mailbox.
type POP3Config struct {
	Polling
	// Address is a host and a port.
	Address  string
	Security Security
	// TLS may be nil; the name of the server comes from Address.
	TLS *tls.Config
	// User and Password log in; the password is asked for anew each time.
	User     string
	Password func() (string, error)
	// After is Keep or Delete.
	After After
	// KeepRefused keeps refused mails also with Delete: there is no folder to move them to.
	KeepRefused bool
}

// POP3 reads a mailbox over POP3 (RFC 1939) with UIDL.
func POP3(c POP3Config) (Source, error) {
	if c.Password == nil {
		return Source{}, errors.New("pop3: Password is missing")
	}
	return NewSource(func(o ingest.Options) (ingest.Source, error) {
		return ingest.NewPOP3(ingest.POP3Config{
			Options: c.With(o), Address: c.Address, Security: ingest.Security(c.Security), TLS: c.TLS, User: c.User, Password: c.Password,
			After: ingest.After(c.After), KeepRefused: c.KeepRefused,
		})
	})
}

// WebmailConfig configures a mailbox that is read by the HTTP interface of its service.
type WebmailConfig struct {
	Polling
	Actions
	// URL is the address of the service; empty means the public one. Only on this
	// machine it may be without TLS.
	URL string
	// User is the address of the mailbox.
	User string
	// Token returns an access token (OAuth 2); renew is true after the last one was
	// refused, which then must not be returned again.
	Token func(ctx context.Context, renew bool) (string, error)
	// Folder is the folder or label that is read; empty means the inbox.
	Folder string
}

func (c WebmailConfig) with(o ingest.Options) ingest.WebmailConfig {
	return ingest.WebmailConfig{Options: c.With(o), Actions: c.Ingest(), URL: c.URL, User: c.User, Token: c.Token, Folder: c.Folder}
}

// Graph reads a mailbox by Microsoft Graph. Folders are written by their names, those
// within others as Inbox/DMARC; inbox, archive, junkemail and deleteditems mean the
// same in all languages.
func Graph(c WebmailConfig) (Source, error) {
	return NewSource(func(o ingest.Options) (ingest.Source, error) { return ingest.NewGraph(c.with(o)) })
}

// Gmail reads a mailbox by the API of Gmail. Folders are labels; a mail that moves
// loses the one that is read, and one that is deleted goes to the bin.
func Gmail(c WebmailConfig) (Source, error) {
	return NewSource(func(o ingest.Options) (ingest.Source, error) { return ingest.NewGmail(c.with(o)) })
}
