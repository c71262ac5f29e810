package dmarcconfig

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/smtp"
)

// builder makes sources from their configuration.
type builder struct {
	marks  ingest.Marks
	logger *slog.Logger
	// sources are those made so far, by their name and a digest of their configuration.
	sources map[string]ingest.Source
	names   map[string]bool
}

// Build makes the sources by their name and a digest of their configuration;
// uploads are not among them. Two of the same name are an error.
func (c *Sources) Build(marks ingest.Marks, logger *slog.Logger) (map[string]ingest.Source, error) {
	b := &builder{marks: marks, logger: logger, sources: make(map[string]ingest.Source), names: make(map[string]bool)}
	return b.sources, cmp.Or(
		each(b, c, "directories", c.Directories, func(f *Folder) (ingest.Source, error) {
			return ingest.NewDir(string(f.Path), b.files(f)), nil
		}),
		each(b, c, "maildirs", c.Maildirs, func(f *Folder) (ingest.Source, error) {
			return ingest.NewMaildir(string(f.Path), b.files(f)), nil
		}),
		each(b, c, "mboxes", c.Mboxes, func(f *Folder) (ingest.Source, error) {
			return ingest.NewMbox(string(f.Path), b.files(f))
		}),
		each(b, c, "imap", c.IMAP, b.imap),
		each(b, c, "pop3", c.POP3, b.pop3),
		each(b, c, "graph", c.Graph, b.webmail(ingest.NewGraph)),
		each(b, c, "gmail", c.Gmail, b.webmail(ingest.NewGmail)),
		each(b, c, "s3", c.S3, b.s3),
		each(b, c, "smtp", c.SMTP, b.smtp),
	)
}

// each makes a source of each item of a list. Two of the same name would fight
// over the same inputs.
func each[T any](b *builder, c *Sources, kind string, list []T, open func(*T) (ingest.Source, error)) error {
	for i := range list {
		source, err := open(&list[i])
		if err == nil && b.names[source.Status().Name] {
			err = fmt.Errorf("source %s is given twice", source.Status().Name)
		}
		if key := fmt.Sprintf("sources.%s[%d]", kind, i); err != nil && c.file.Has(key) {
			return c.file.Wrap(key, err)
		}
		if err != nil {
			return err // Flags are no part of the file.
		}
		name := source.Status().Name
		b.names[name] = true
		b.sources[name+" "+config.Digest(&list[i])] = source
	}
	return nil
}

// options completes what the configuration says.
func (b *builder) options(o ingest.Options) ingest.Options {
	o.Marks, o.Logger = b.marks, b.logger
	return o
}

func (b *builder) files(f *Folder) ingest.FileConfig {
	return ingest.FileConfig{
		Options: b.options(ingest.Options{Poll: f.Rescan}), Settle: f.Settle,
		After: f.After, KeepRefused: f.Refused == RefusedKeep, FollowLinks: f.FollowLinks,
	}
}

func (b *builder) imap(c *IMAP) (ingest.Source, error) {
	client, err := c.TLS.Client()
	if err != nil {
		return nil, err
	}
	auth := imap.Password(c.Username, c.Password.Read)
	if c.OAuth2 != nil {
		auth = imap.Token(c.Username, newTokens(c.OAuth2, c.Username, b.logger).get)
	}
	return imap.New(imap.Config{
		Options: b.options(c.Options), Actions: c.Actions, Address: c.Address, Security: c.Security, TLS: client,
		Auth: auth, User: c.Username, Folders: c.Folders, NoIdle: c.NoIdle,
	})
}

func (b *builder) pop3(c *POP3) (ingest.Source, error) {
	client, err := c.TLS.Client()
	if err != nil {
		return nil, err
	}
	return ingest.NewPOP3(ingest.POP3Config{
		Options: b.options(c.Options), Address: c.Address, Security: c.Security, TLS: client,
		User: c.Username, Password: c.Password.Read, After: c.After, KeepRefused: c.Refused == RefusedKeep,
	})
}

// webmail returns the constructor for a service.
func (b *builder) webmail(open func(ingest.WebmailConfig) (*ingest.Webmail, error)) func(*Webmail) (ingest.Source, error) {
	return func(c *Webmail) (ingest.Source, error) {
		return open(ingest.WebmailConfig{
			Options: b.options(c.Options), Actions: c.Actions, URL: c.URL, User: c.User, Token: newTokens(c.OAuth2, c.User, b.logger).get, Folder: c.Folder,
		})
	}
}

func (b *builder) smtp(c *SMTP) (ingest.Source, error) {
	config := smtp.Config{
		Listen: c.Listen, LMTP: c.LMTP, Hostname: c.Hostname, Recipients: c.Recipients, MaxBytes: c.MaxBytes,
		Timeout: c.Timeout, RequireTLS: c.RequireTLS, Logger: b.logger,
	}
	if c.CertFile != "" {
		// The files are read for each connection, so that renewed certificates are used.
		load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			certificate, err := tls.LoadX509KeyPair(string(c.CertFile), string(c.KeyFile))
			return &certificate, err
		}
		if _, err := load(nil); err != nil {
			return nil, fmt.Errorf("smtp %s: read certificate: %w", c.Listen, err)
		}
		config.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: load}
	}
	return smtp.New(config)
}
