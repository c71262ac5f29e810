package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/trust"
)

// fileConfig is the file of --config.file.
type fileConfig struct {
	Domains config.Domains `yaml:"domains"`
	Senders senderList     `yaml:"senders"`
	DNS     dnsConfig      `yaml:"dns"`
	Trust   trustConfig    `yaml:"trust"`
	Sources sourcesConfig  `yaml:"sources"`
}

// Check finds what no part of the file can find alone.
func (c *fileConfig) Check() error {
	if h := c.Sources.HTTP; h != nil && h.TLSReports && c.Trust.Mode == trust.ModeRequire {
		return config.At("sources.http.tls_reports", errors.New("true takes reports from everybody, which trust.mode require forbids"))
	}
	return nil
}

// sourcesConfig lists where reports come from.
type sourcesConfig struct {
	Directories []folderConfig  `yaml:"directories"`
	Maildirs    []folderConfig  `yaml:"maildirs"`
	Mboxes      []folderConfig  `yaml:"mboxes"`
	IMAP        []imapConfig    `yaml:"imap"`
	POP3        []pop3Config    `yaml:"pop3"`
	Graph       []webmailConfig `yaml:"graph"`
	Gmail       []webmailConfig `yaml:"gmail"`
	SMTP        []smtpConfig    `yaml:"smtp"`
	HTTP        *httpConfig     `yaml:"http"`

	// file has the places of the keys; nil when all sources come from flags.
	file *config.File
}

// empty reports whether there is nothing to read.
func (c *sourcesConfig) empty() bool {
	return len(c.Directories)+len(c.Maildirs)+len(c.Mboxes)+len(c.IMAP)+len(c.POP3)+len(c.Graph)+len(c.Gmail)+len(c.SMTP) == 0 && c.HTTP == nil
}

// errMissing is the mistake of a key that must be given.
var errMissing = errors.New("is missing")

// folderConfig is a directory, a Maildir or an mbox file.
type folderConfig struct {
	Path    config.Path   `yaml:"path"`
	After   ingest.After  `yaml:"after"`
	Refused refused       `yaml:"refused"`
	Rescan  time.Duration `yaml:"rescan"`
	Settle  time.Duration `yaml:"settle"`
}

// Check finds what all kinds of files have in common.
func (f *folderConfig) Check() error {
	if f.Path == "" {
		return config.At("path", errMissing)
	}
	if err := f.After.Check(ingest.AfterKeep, ingest.AfterMove, ingest.AfterDelete); err != nil {
		return config.At("after", err)
	}
	return nil
}

// refused says what happens to inputs that hold no report.
type refused string

// The choices. The empty value means refusedMove.
const (
	refusedMove refused = "move"
	refusedKeep refused = "keep"
)

// Check finds other words.
func (r *refused) Check() error {
	if *r != "" && *r != refusedMove && *r != refusedKeep {
		return fmt.Errorf("must be one of %s, %s", refusedMove, refusedKeep)
	}
	return nil
}

// account is a mailbox on a server and how to log in to it.
type account struct {
	Address  string          `yaml:"address"`
	Security ingest.Security `yaml:"security"`
	TLS      config.TLS      `yaml:"tls"`
	Username string          `yaml:"username"`
	Password config.Secret   `yaml:"password"`
}

// check is called by what inlines the account.
func (a *account) check() error {
	switch {
	case a.Address == "":
		return config.At("address", errMissing)
	case a.Username == "":
		return config.At("username", errMissing)
	}
	if err := ingest.CheckAddress(a.Address); err != nil {
		return config.At("address", err)
	}
	return nil
}

// imapConfig is an account on an IMAP server.
type imapConfig struct {
	account        `yaml:",inline"`
	ingest.Options `yaml:",inline"`
	ingest.Actions `yaml:",inline"`
	OAuth2         *oauth2Config `yaml:"oauth2"`
	Folders        []string      `yaml:"folders"`
	NoIdle         bool          `yaml:"no_idle"`
}

// Check finds what is missing or contradicts itself.
func (c *imapConfig) Check() error {
	if err := c.account.check(); err != nil {
		return err
	}
	if c.Password.IsSet() == (c.OAuth2 != nil) {
		return errors.New("give either password or oauth2")
	}
	return actionError((&imap.Config{Actions: c.Actions, Folders: c.Folders}).CheckActions())
}

// actionError gives a mistake in an action its place.
func actionError(err error) error {
	if e, ok := errors.AsType[*ingest.ActionError](err); ok {
		return config.At(string(e.Class)+"."+e.Field, e.Err)
	}
	return err
}

// pop3Config is an account on a POP3 server.
type pop3Config struct {
	account        `yaml:",inline"`
	ingest.Options `yaml:",inline"`
	After          ingest.After `yaml:"after"`
	Refused        refused      `yaml:"refused"`
}

// Check finds what is missing or contradicts itself.
func (c *pop3Config) Check() error {
	if err := c.account.check(); err != nil {
		return err
	}
	if !c.Password.IsSet() {
		return config.At("password", errMissing)
	}
	if err := c.After.Check(ingest.AfterKeep, ingest.AfterDelete); err != nil {
		return config.At("after", err)
	}
	return nil
}

// oauth2Config gets access tokens: with a refresh token, or else by client credentials.
type oauth2Config struct {
	TokenURL     string        `yaml:"token_url"`
	ClientID     string        `yaml:"client_id"`
	ClientSecret config.Secret `yaml:"client_secret"`
	RefreshToken config.Secret `yaml:"refresh_token"`
	Scopes       []string      `yaml:"scopes"`
}

// Check finds what is missing.
func (c *oauth2Config) Check() error {
	for key, value := range map[string]string{"token_url": c.TokenURL, "client_id": c.ClientID} {
		if value == "" {
			return config.At(key, errMissing)
		}
	}
	return nil
}

// webmailConfig is a mailbox that is read over HTTP: by Microsoft Graph or by the API of Gmail.
type webmailConfig struct {
	ingest.Options `yaml:",inline"`
	ingest.Actions `yaml:",inline"`
	// URL is the address of the service, if it is not the public one.
	URL    string        `yaml:"url"`
	User   string        `yaml:"user"`
	OAuth2 *oauth2Config `yaml:"oauth2"`
	Folder string        `yaml:"folder"`
}

// Check finds what is missing or contradicts itself.
func (c *webmailConfig) Check() error {
	switch {
	case c.User == "":
		return config.At("user", errMissing)
	case c.OAuth2 == nil:
		return config.At("oauth2", errMissing)
	}
	return actionError((&ingest.WebmailConfig{Actions: c.Actions, Folder: c.Folder}).CheckActions())
}

// smtpConfig is a listener for mail.
type smtpConfig struct {
	Listen     string        `yaml:"listen"`
	LMTP       bool          `yaml:"lmtp"`
	Hostname   string        `yaml:"hostname"`
	Recipients []string      `yaml:"recipients"`
	CertFile   config.Path   `yaml:"cert_file"`
	KeyFile    config.Path   `yaml:"key_file"`
	RequireTLS bool          `yaml:"require_tls"`
	MaxBytes   int64         `yaml:"max_bytes"`
	Timeout    time.Duration `yaml:"timeout"`
}

// Check finds half a certificate.
func (c *smtpConfig) Check() error {
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("cert_file and key_file belong together")
	}
	return nil
}

// httpConfig is the upload of reports through the web server.
type httpConfig struct {
	// Token is required from clients of /v1/reports unless it is not set.
	Token config.Secret `yaml:"token"`
	// TLSReports opens /v1/tlsrpt for TLS reports from everybody (RFC 8460, section 3).
	TLSReports bool          `yaml:"tls_reports"`
	MaxBytes   int64         `yaml:"max_bytes"`
	Timeout    time.Duration `yaml:"timeout"`
}

// loadConfig reads and checks a configuration file; an empty path gives an empty one.
func loadConfig(path string) (*fileConfig, error) {
	c := &fileConfig{}
	file, err := config.Load(path, c)
	c.Sources.file = file
	return c, err
}
