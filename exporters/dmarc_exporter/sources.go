package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/imap"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/smtp"
)

// builder makes sources from their configuration.
type builder struct {
	marks  ingest.Marks
	logger *slog.Logger
	// sources are those made so far, by a digest of their configuration.
	sources map[string]ingest.Source
	names   map[string]bool
}

// build makes the sources of a configuration; uploads are not among them.
func build(c *sourcesConfig, marks ingest.Marks, logger *slog.Logger) (map[string]ingest.Source, error) {
	b := &builder{marks: marks, logger: logger, sources: make(map[string]ingest.Source), names: make(map[string]bool)}
	for _, f := range c.Directories {
		if err := b.add(f, ingest.NewDir(f.Path, b.files(f))); err != nil {
			return nil, err
		}
	}
	for _, f := range c.Maildirs {
		if err := b.add(f, ingest.NewMaildir(f.Path, b.files(f))); err != nil {
			return nil, err
		}
	}
	for _, f := range c.Mboxes {
		source, err := ingest.NewMbox(f.Path, b.files(f))
		if err != nil {
			return nil, err
		}
		if err := b.add(f, source); err != nil {
			return nil, err
		}
	}
	for i := range c.IMAP {
		source, err := b.imap(&c.IMAP[i])
		if err != nil {
			return nil, err
		}
		if err := b.add(&c.IMAP[i], source); err != nil {
			return nil, err
		}
	}
	for i := range c.POP3 {
		source, err := b.pop3(&c.POP3[i])
		if err != nil {
			return nil, err
		}
		if err := b.add(&c.POP3[i], source); err != nil {
			return nil, err
		}
	}
	if err := b.webmails(c.Graph, ingest.NewGraph); err != nil {
		return nil, err
	}
	if err := b.webmails(c.Gmail, ingest.NewGmail); err != nil {
		return nil, err
	}
	for i := range c.SMTP {
		source, err := b.smtp(&c.SMTP[i])
		if err != nil {
			return nil, err
		}
		if err := b.add(&c.SMTP[i], source); err != nil {
			return nil, err
		}
	}
	return b.sources, nil
}

// add adds a source. Two of the same name would fight over the same inputs.
func (b *builder) add(config any, s ingest.Source) error {
	name := s.Status().Name
	if b.names[name] {
		return fmt.Errorf("source %s is given twice", name)
	}
	b.names[name] = true
	b.sources[digest(name, config)] = s
	return nil
}

// digest identifies a configuration, secrets included, without showing them.
func digest(name string, config any) string {
	text := name
	reveal := func(secrets ...secret) {
		for _, s := range secrets {
			if s.text != nil {
				text += "\x00" + *s.text
			}
			text += "\x00" + s.file
		}
	}
	switch c := config.(type) {
	case *imapConfig:
		plain := *c
		reveal(c.Password)
		if c.OAuth2 != nil {
			reveal(c.OAuth2.ClientSecret, c.OAuth2.RefreshToken)
			text += fmt.Sprintf("%+v", *c.OAuth2)
		}
		plain.OAuth2 = nil
		text += fmt.Sprintf("%+v", plain)
	case *webmailConfig:
		plain := *c
		reveal(c.OAuth2.ClientSecret, c.OAuth2.RefreshToken)
		text += fmt.Sprintf("%+v", *c.OAuth2)
		plain.OAuth2 = nil
		text += fmt.Sprintf("%+v", plain)
	case *pop3Config:
		reveal(c.Password)
		text += fmt.Sprintf("%+v", *c)
	case *smtpConfig:
		text += fmt.Sprintf("%+v", *c)
	default:
		text += fmt.Sprintf("%+v", config)
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}

func (b *builder) files(f folderConfig) ingest.FileConfig {
	return ingest.FileConfig{
		After: f.After, KeepRefused: f.Refused == refusedKeep, Marks: b.marks, Logger: b.logger,
		Rescan: time.Duration(f.Rescan), Settle: time.Duration(f.Settle),
	}
}

func (b *builder) imap(c *imapConfig) (ingest.Source, error) {
	config, err := c.TLS.client()
	if err != nil {
		return nil, err
	}
	auth := imap.Password(c.Username, c.Password.read)
	if c.OAuth2 != nil {
		auth = imap.Token(c.Username, newTokens(c.OAuth2).get)
	}
	action := func(a actionConfig) imap.Action {
		return imap.Action{Kind: imap.ActionKind(a.Action), Folder: a.Folder}
	}
	return imap.New(imap.Config{
		Address: c.Address, Security: imap.Security(c.Security), TLS: config, Auth: auth, User: c.Username, Folders: c.Folders,
		Counted: action(c.Counted), Known: action(c.Known), Refused: action(c.Refused),
		Poll: time.Duration(c.Poll), Timeout: time.Duration(c.Timeout), NoIdle: c.NoIdle, MaxBytes: mailBytes(c.MaxBytes),
		Marks: b.marks, Logger: b.logger,
	})
}

func (b *builder) pop3(c *pop3Config) (ingest.Source, error) {
	config, err := c.TLS.client()
	if err != nil {
		return nil, err
	}
	return ingest.NewPOP3(ingest.POP3Config{
		Address: c.Address, Security: c.Security, TLS: config, User: c.Username, Password: c.Password.read,
		After: c.After, KeepRefused: c.Refused == refusedKeep,
		Poll: time.Duration(c.Poll), Timeout: time.Duration(c.Timeout), MaxBytes: mailBytes(c.MaxBytes), Marks: b.marks, Logger: b.logger,
	})
}

// client makes the configuration of a TLS client.
func (c *tlsConfig) client() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName, InsecureSkipVerify: c.InsecureSkipVerify}
	if c.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificates: %s has none", c.CAFile)
	}
	return config, nil
}

// mailBytes is the size of the largest mail: there is no use in fetching one that is not unpacked.
func mailBytes(n int64) int64 { return cmp.Or(n, ingest.Limits().Memory) }

func (b *builder) smtp(c *smtpConfig) (ingest.Source, error) {
	config := smtp.Config{
		Listen: c.Listen, LMTP: c.LMTP, Hostname: c.Hostname, Recipients: c.Recipients, MaxBytes: mailBytes(c.MaxBytes),
		Timeout: time.Duration(c.Timeout), RequireTLS: c.RequireTLS, Logger: b.logger,
	}
	if c.CertFile != "" {
		// The files are read for each connection, so that renewed certificates are used.
		load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			certificate, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
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
	clientSecret, err := t.config.ClientSecret.read()
	if err != nil {
		return nil, err
	}
	if !t.config.RefreshToken.isSet() {
		c := clientcredentials.Config{
			ClientID: t.config.ClientID, ClientSecret: clientSecret, TokenURL: t.config.TokenURL, Scopes: t.config.Scopes,
		}
		return c.Token(ctx)
	}
	refresh, err := t.config.RefreshToken.read()
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
				Path: path, After: after, Refused: refused(o.refused), Rescan: model.Duration(o.rescan),
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
