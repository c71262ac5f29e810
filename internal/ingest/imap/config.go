package imap

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// Keyword is the keyword that marks processed mails.
const Keyword = "$DMARCProcessed"

// Config configures a Mailbox.
type Config struct {
	ingest.Options
	ingest.Actions
	// Address is a host and a port.
	Address  string
	Security ingest.Security
	// TLS may be nil; the name of the server comes from Address.
	TLS *tls.Config
	// Auth logs in.
	Auth Credentials
	// User appears in the name of the source.
	User string
	// Folders are the folders to read; none means INBOX. Each has a connection of its own.
	Folders []string
	// NoIdle does not use IDLE even when the server has it.
	NoIdle bool
	// Batch is how many mails are handled together, more when many wait; 0 means 50.
	Batch int
}

func (c Config) withDefaults() (Config, error) {
	if err := ingest.CheckAddress(c.Address); err != nil {
		return c, fmt.Errorf("address: %w", err)
	}
	if err := c.Security.Check(); err != nil {
		return c, fmt.Errorf("security: %w", err)
	}
	c.Security = cmp.Or(c.Security, ingest.SecurityTLS)
	if c.Auth == nil {
		return c, errors.New("no credentials")
	}
	if err := c.CheckActions(); err != nil {
		return c, err
	}
	host, _, _ := net.SplitHostPort(c.Address) // checked above
	c.TLS = ingest.ClientTLS(c.TLS, host)
	if len(c.Folders) == 0 {
		c.Folders = []string{inbox}
	}
	if c.Batch == 0 {
		c.Batch = 50
	}
	c.Options = c.Options.WithDefaults()
	return c, nil
}

// CheckActions finds mistakes in the actions.
func (c *Config) CheckActions() error {
	folders := c.Folders
	if len(folders) == 0 {
		folders = []string{inbox}
	}
	return c.Check([]ingest.After{ingest.AfterKeep, ingest.AfterFlag, ingest.AfterMove, ingest.AfterDelete}, func(folder string) bool {
		return slices.ContainsFunc(folders, func(read string) bool { return sameFolder(read, folder) })
	})
}

// inbox is the folder that is read unless others are named. Its case does not
// matter (RFC 9051, section 5.1); that of others does.
const inbox = "INBOX"

func sameFolder(a, b string) bool {
	return a == b || strings.EqualFold(a, inbox) && strings.EqualFold(b, inbox)
}
