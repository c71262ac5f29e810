package imap

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/dmarc-suite/dmarc-suite/dmarc/inbox"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
)

// Config configures a mailbox. One of Password and Token logs in.
type Config struct {
	inbox.Polling
	inbox.Actions
	// Address is a host and a port.
	Address  string
	Security inbox.Security
	// TLS may be nil; the name of the server comes from Address.
	TLS  *tls.Config
	User string
	// Password is asked for anew each time.
	Password func() (string, error)
	// Token returns an access token (OAuth 2), for XOAUTH2 or OAUTHBEARER (RFC 7628);
	// renew is true after the last one was refused, which then must not be returned again.
	Token func(ctx context.Context, renew bool) (string, error)
	// Folders are the folders to read; none means INBOX. Each has a connection of its own.
	Folders []string
	// NoIdle does not use IDLE even when the server has it.
	NoIdle bool
}

// batch is how many mails are acknowledged with one command, and so how many a
// crash may have handed out again.
const batch = 10

// Keyword is the keyword that the action Flag sets, beside \Seen.
const Keyword = imap.Keyword

// New returns a source that reads folders of an IMAP account. Mails are known by UID
// and UIDVALIDITY, never by \Seen.
func New(c Config) (inbox.Source, error) {
	var login imap.Credentials
	switch {
	case (c.Password == nil) == (c.Token == nil):
		return inbox.Source{}, errors.New("imap: one of Password and Token is needed")
	case c.Password != nil:
		login = imap.Password(c.User, c.Password)
	default:
		login = imap.Token(c.User, c.Token)
	}
	return inbox.NewSource(func(o ingest.Options) (ingest.Source, error) {
		return imap.New(imap.Config{
			Options: c.With(o), Actions: c.Ingest(), Address: c.Address, Security: ingest.Security(c.Security), TLS: c.TLS,
			Auth: login, User: c.User, Folders: c.Folders, NoIdle: c.NoIdle, Batch: batch,
		})
	})
}
