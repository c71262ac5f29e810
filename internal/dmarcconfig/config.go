// Package dmarcconfig reads the configuration file of dmarc_exporter and makes
// the sources, and what else it describes.
package dmarcconfig

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/trust"
)

// File is the content of the configuration file.
type File struct {
	Domains   config.Domains `yaml:"domains"` // those of tenants among them
	Tenants   Tenants        `yaml:"tenants"`
	Senders   Senders        `yaml:"senders"`
	DNS       DNS            `yaml:"dns"`
	Addresses Addresses      `yaml:"addresses"`
	Trust     Trust          `yaml:"trust"`
	Access    Access         `yaml:"access"`
	Sources   Sources        `yaml:"sources"`
}

// Check finds what no part of the file can find alone.
func (c *File) Check() error {
	h := c.Sources.HTTP
	switch {
	case h == nil || c.Trust.Mode != trust.ModeRequire:
	case h.TLSReports:
		return config.At("sources.http.tls_reports", errors.New("true takes reports from everybody, which trust.mode require forbids"))
	case !h.Token.IsSet():
		return config.At("sources.http.token", errors.New("is missing: without one everybody may upload reports, which trust.mode require forbids"))
	}
	return c.Access.check(c.Domains)
}

// Sources lists where reports come from.
type Sources struct {
	Directories []Folder  `yaml:"directories"`
	Maildirs    []Folder  `yaml:"maildirs"`
	Mboxes      []Folder  `yaml:"mboxes"`
	IMAP        []IMAP    `yaml:"imap"`
	POP3        []POP3    `yaml:"pop3"`
	Graph       []Webmail `yaml:"graph"`
	Gmail       []Webmail `yaml:"gmail"`
	S3          []S3      `yaml:"s3"`
	SMTP        []SMTP    `yaml:"smtp"`
	HTTP        *HTTP     `yaml:"http"`

	// file has the places of the keys; nil when all sources come from flags.
	file *config.File
}

// Empty reports whether there is nothing to read.
func (c *Sources) Empty() bool {
	return len(c.Directories)+len(c.Maildirs)+len(c.Mboxes)+len(c.IMAP)+len(c.POP3)+len(c.Graph)+len(c.Gmail)+len(c.S3)+len(c.SMTP) == 0 && c.HTTP == nil
}

// errMissing is the mistake of a key that must be given.
var errMissing = errors.New("is missing")

// Folder is a directory, a Maildir or an mbox file.
type Folder struct {
	Path    config.Path   `yaml:"path"`
	After   ingest.After  `yaml:"after"`
	Refused Refused       `yaml:"refused"`
	Rescan  time.Duration `yaml:"rescan"`
	Settle  time.Duration `yaml:"settle"`
	// FollowLinks reads what symbolic links lead to.
	FollowLinks bool `yaml:"follow_links"`
}

// Check finds what all kinds of files have in common.
func (f *Folder) Check() error {
	if f.Path == "" {
		return config.At("path", errMissing)
	}
	if err := f.After.Check(ingest.AfterKeep, ingest.AfterMove, ingest.AfterDelete); err != nil {
		return config.At("after", err)
	}
	return nil
}

// Refused says what happens to inputs that hold no report.
type Refused string

// The choices. The empty value means RefusedMove.
const (
	RefusedMove Refused = "move"
	RefusedKeep Refused = "keep"
)

// Check finds other words.
func (r *Refused) Check() error {
	if *r != "" && *r != RefusedMove && *r != RefusedKeep {
		return fmt.Errorf("must be one of %s, %s", RefusedMove, RefusedKeep)
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

// IMAP is an account on an IMAP server.
type IMAP struct {
	account        `yaml:",inline"`
	ingest.Options `yaml:",inline"`
	ingest.Actions `yaml:",inline"`
	OAuth2         *OAuth2  `yaml:"oauth2"`
	Folders        []string `yaml:"folders"`
	NoIdle         bool     `yaml:"no_idle"`
}

// Check finds what is missing or contradicts itself.
func (c *IMAP) Check() error {
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

// POP3 is an account on a POP3 server.
type POP3 struct {
	account        `yaml:",inline"`
	ingest.Options `yaml:",inline"`
	After          ingest.After `yaml:"after"`
	Refused        Refused      `yaml:"refused"`
}

// Check finds what is missing or contradicts itself.
func (c *POP3) Check() error {
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

// Webmail is a mailbox that is read over HTTP: by Microsoft Graph or by the API of Gmail.
type Webmail struct {
	ingest.Options `yaml:",inline"`
	ingest.Actions `yaml:",inline"`
	// URL is the address of the service, if it is not the public one.
	URL    string  `yaml:"url"`
	User   string  `yaml:"user"`
	OAuth2 *OAuth2 `yaml:"oauth2"`
	Folder string  `yaml:"folder"`
}

// Check finds what is missing or contradicts itself.
func (c *Webmail) Check() error {
	switch {
	case c.User == "":
		return config.At("user", errMissing)
	case c.OAuth2 == nil:
		return config.At("oauth2", errMissing)
	}
	return actionError((&ingest.WebmailConfig{Actions: c.Actions, Folder: c.Folder}).CheckActions())
}

// SMTP is a listener for mail.
type SMTP struct {
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
func (c *SMTP) Check() error {
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("cert_file and key_file belong together")
	}
	return nil
}

// HTTP is the upload of reports through the web server.
type HTTP struct {
	// Token is required from clients of /v1/reports unless it is not set.
	Token config.Secret `yaml:"token"`
	// TLSReports opens /v1/tlsrpt for TLS reports from everybody (RFC 8460, section 3).
	TLSReports bool          `yaml:"tls_reports"`
	SNS        *SNS          `yaml:"sns"`
	Mailgun    *Mailgun      `yaml:"mailgun"`
	MaxBytes   int64         `yaml:"max_bytes"`
	Timeout    time.Duration `yaml:"timeout"`
}

// SNS are the topics of Amazon SNS whose signed messages need no token.
type SNS struct {
	Topics []string `yaml:"topics"`
}

// Check finds what is no topic.
func (c *SNS) Check() error {
	if len(c.Topics) == 0 {
		return config.At("topics", errMissing)
	}
	for i, topic := range c.Topics {
		if !strings.HasPrefix(topic, "arn:aws") || strings.Count(topic, ":") != 5 {
			return config.At(fmt.Sprintf("topics[%d]", i), errors.New("must be the ARN of a topic, such as arn:aws:sns:eu-west-1:123456789012:reports"))
		}
	}
	return nil
}

// Mailgun is the key by which forms of Mailgun are signed; they need no token.
type Mailgun struct {
	SigningKey config.Secret `yaml:"signing_key"`
}

// Check finds that it is missing.
func (c *Mailgun) Check() error {
	if !c.SigningKey.IsSet() {
		return config.At("signing_key", errMissing)
	}
	return nil
}

// Load reads a configuration file and checks what can be seen in it; an empty
// path gives an empty one.
func Load(path string) (*File, error) {
	c := &File{}
	file, err := config.Load(path, c)
	c.Sources.file = file
	c.own()
	return c, err
}

// Validate makes the sources as well, for mistakes that only their makers see.
func (c *File) Validate() error {
	if _, err := c.Sources.Build(nil, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if c.Sources.Empty() && c.Sources.file.Has("sources") {
		return c.Sources.file.Wrap("sources", ErrNoSources)
	}
	if _, err := c.Addresses.Lookups(); err != nil {
		return err
	}
	_, err := c.Names(nil)
	return err
}

// ErrNoSources is why serve would have nothing to do.
var ErrNoSources = errors.New("there is no source of reports: name one under sources in the configuration file, or with --source.dir, --source.maildir or --source.mbox of serve")
