package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

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

// build makes the sources of a configuration; uploads are not among them.
func build(c *sourcesConfig, marks ingest.Marks, logger *slog.Logger) (map[string]ingest.Source, error) {
	b := &builder{marks: marks, logger: logger, sources: make(map[string]ingest.Source), names: make(map[string]bool)}
	return b.sources, cmp.Or(
		each(b, c, "directories", c.Directories, func(f *folderConfig) (ingest.Source, error) {
			return ingest.NewDir(string(f.Path), b.files(f)), nil
		}),
		each(b, c, "maildirs", c.Maildirs, func(f *folderConfig) (ingest.Source, error) {
			return ingest.NewMaildir(string(f.Path), b.files(f)), nil
		}),
		each(b, c, "mboxes", c.Mboxes, func(f *folderConfig) (ingest.Source, error) {
			return ingest.NewMbox(string(f.Path), b.files(f))
		}),
		each(b, c, "imap", c.IMAP, b.imap),
		each(b, c, "pop3", c.POP3, b.pop3),
		each(b, c, "graph", c.Graph, b.webmail(ingest.NewGraph)),
		each(b, c, "gmail", c.Gmail, b.webmail(ingest.NewGmail)),
		each(b, c, "smtp", c.SMTP, b.smtp),
	)
}

// each makes a source of each item of a list. Two of the same name would fight
// over the same inputs.
func each[T any](b *builder, c *sourcesConfig, kind string, list []T, open func(*T) (ingest.Source, error)) error {
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

func (b *builder) files(f *folderConfig) ingest.FileConfig {
	return ingest.FileConfig{
		Options: b.options(ingest.Options{Poll: f.Rescan}), Settle: f.Settle,
		After: f.After, KeepRefused: f.Refused == refusedKeep,
	}
}

func (b *builder) imap(c *imapConfig) (ingest.Source, error) {
	client, err := c.TLS.Client()
	if err != nil {
		return nil, err
	}
	auth := imap.Password(c.Username, c.Password.Read)
	if c.OAuth2 != nil {
		auth = imap.Token(c.Username, newTokens(c.OAuth2).get)
	}
	return imap.New(imap.Config{
		Options: b.options(c.Options), Actions: c.Actions, Address: c.Address, Security: c.Security, TLS: client,
		Auth: auth, User: c.Username, Folders: c.Folders, NoIdle: c.NoIdle,
	})
}

func (b *builder) pop3(c *pop3Config) (ingest.Source, error) {
	client, err := c.TLS.Client()
	if err != nil {
		return nil, err
	}
	return ingest.NewPOP3(ingest.POP3Config{
		Options: b.options(c.Options), Address: c.Address, Security: c.Security, TLS: client,
		User: c.Username, Password: c.Password.Read, After: c.After, KeepRefused: c.Refused == refusedKeep,
	})
}

// webmail returns the constructor for a service.
func (b *builder) webmail(open func(ingest.WebmailConfig) (*ingest.Webmail, error)) func(*webmailConfig) (ingest.Source, error) {
	return func(c *webmailConfig) (ingest.Source, error) {
		return open(ingest.WebmailConfig{
			Options: b.options(c.Options), Actions: c.Actions, URL: c.URL, User: c.User, Token: newTokens(c.OAuth2).get, Folder: c.Folder,
		})
	}
}

func (b *builder) smtp(c *smtpConfig) (ingest.Source, error) {
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

// tokens gets OAuth 2 access tokens and keeps one until it expires.
type tokens struct {
	config *oauth2Config
	mu     sync.Mutex
	token  *oauth2.Token
}

func newTokens(c *oauth2Config) *tokens { return &tokens{config: c} }

// get returns a token; renew drops the one that it has.
func (t *tokens) get(ctx context.Context, renew bool) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if renew {
		t.token = nil
		return "", nil
	}
	if !t.token.Valid() {
		token, err := t.fetch(ctx)
		if err != nil {
			return "", err
		}
		t.token = token
	}
	return t.token.AccessToken, nil
}

func (t *tokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	clientSecret, err := t.config.ClientSecret.Read()
	if err != nil {
		return nil, err
	}
	if !t.config.RefreshToken.IsSet() {
		c := clientcredentials.Config{
			ClientID: t.config.ClientID, ClientSecret: clientSecret, TokenURL: t.config.TokenURL, Scopes: t.config.Scopes,
		}
		return c.Token(ctx)
	}
	refresh, err := t.config.RefreshToken.Read()
	if err != nil {
		return nil, err
	}
	c := oauth2.Config{
		ClientID: t.config.ClientID, ClientSecret: clientSecret, Scopes: t.config.Scopes,
		Endpoint: oauth2.Endpoint{TokenURL: t.config.TokenURL},
	}
	return c.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
}

// flagSources makes a configuration of the --source flags.
func (o *serveOptions) flagSources() sourcesConfig {
	list := func(paths []string, after ingest.After) []folderConfig {
		var out []folderConfig
		for _, path := range paths {
			out = append(out, folderConfig{
				Path: config.Path(path), After: after, Refused: refused(o.refused), Rescan: o.rescan,
			})
		}
		return out
	}
	return sourcesConfig{
		Directories: list(o.dirs, ingest.After(o.after)),
		Maildirs:    list(o.maildirs, ingest.After(o.after)),
		Mboxes:      list(o.mboxes, ingest.AfterKeep),
	}
}

// describe names the sources for the log.
func describe(sources map[string]ingest.Source) string {
	var names []string
	for _, s := range sources {
		names = append(names, s.Status().Name)
	}
	return strings.Join(names, " ")
}
