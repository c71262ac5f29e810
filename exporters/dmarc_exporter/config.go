package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/trust"
)

// config is the file of --config.file. Unknown keys are errors. Paths are
// relative to the file.
type config struct {
	Domains []string       `yaml:"domains"`
	Senders []senderConfig `yaml:"senders"`
	DNS     dnsConfig      `yaml:"dns"`
	Trust   trustConfig    `yaml:"trust"`
	Sources sourcesConfig  `yaml:"sources"`
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
}

// folderConfig is a directory, a Maildir or an mbox file.
type folderConfig struct {
	Path    string         `yaml:"path"`
	After   ingest.After   `yaml:"after"`
	Refused refused        `yaml:"refused"`
	Rescan  model.Duration `yaml:"rescan"`
	Settle  model.Duration `yaml:"settle"`
}

// refused says what happens to files that hold no report.
type refused string

// The choices. The empty value means refusedMove.
const (
	refusedMove refused = "move"
	refusedKeep refused = "keep"
)

// imapConfig is an account on an IMAP server.
type imapConfig struct {
	Address  string         `yaml:"address"`
	Security string         `yaml:"security"`
	TLS      tlsConfig      `yaml:"tls"`
	Username string         `yaml:"username"`
	Password secret         `yaml:"password"`
	OAuth2   *oauth2Config  `yaml:"oauth2"`
	Folders  []string       `yaml:"folders"`
	Counted  actionConfig   `yaml:"counted"`
	Known    actionConfig   `yaml:"known"`
	Refused  actionConfig   `yaml:"refused"`
	Poll     model.Duration `yaml:"poll"`
	Timeout  model.Duration `yaml:"timeout"`
	NoIdle   bool           `yaml:"no_idle"`
	MaxBytes int64          `yaml:"max_bytes"`
}

// pop3Config is an account on a POP3 server.
type pop3Config struct {
	Address  string         `yaml:"address"`
	Security string         `yaml:"security"`
	TLS      tlsConfig      `yaml:"tls"`
	Username string         `yaml:"username"`
	Password secret         `yaml:"password"`
	After    ingest.After   `yaml:"after"`
	Refused  refused        `yaml:"refused"`
	Poll     model.Duration `yaml:"poll"`
	Timeout  model.Duration `yaml:"timeout"`
	MaxBytes int64          `yaml:"max_bytes"`
}

// actionConfig is what happens to a mail.
type actionConfig struct {
	Action string `yaml:"action"`
	Folder string `yaml:"folder"`
}

// oauth2Config gets access tokens: with a refresh token, or else by client credentials.
type oauth2Config struct {
	TokenURL     string   `yaml:"token_url"`
	ClientID     string   `yaml:"client_id"`
	ClientSecret secret   `yaml:"client_secret"`
	RefreshToken secret   `yaml:"refresh_token"`
	Scopes       []string `yaml:"scopes"`
}

// tlsConfig is what a client believes of a server.
type tlsConfig struct {
	CAFile             string `yaml:"ca_file"`
	ServerName         string `yaml:"server_name"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// smtpConfig is a listener for mail.
type smtpConfig struct {
	Listen     string         `yaml:"listen"`
	LMTP       bool           `yaml:"lmtp"`
	Hostname   string         `yaml:"hostname"`
	Recipients []string       `yaml:"recipients"`
	CertFile   string         `yaml:"cert_file"`
	KeyFile    string         `yaml:"key_file"`
	RequireTLS bool           `yaml:"require_tls"`
	MaxBytes   int64          `yaml:"max_bytes"`
	Timeout    model.Duration `yaml:"timeout"`
}

// httpConfig is the upload of reports through the web server.
type httpConfig struct {
	// Token is required from clients of /v1/reports unless it is not set.
	Token secret `yaml:"token"`
	// TLSReports opens /v1/tlsrpt for TLS reports from everybody (RFC 8460, section 3).
	TLSReports bool           `yaml:"tls_reports"`
	MaxBytes   int64          `yaml:"max_bytes"`
	Timeout    model.Duration `yaml:"timeout"`
}

// secret is a text that must not be shown. In the file it is a text with
// ${NAME} for a variable of the environment, or a mapping with the key "file".
// A file is read when the secret is needed, so that it can change.
type secret struct {
	// text is a pointer, because fmt shows the fields of a structure that it
	// reached through a pointer without asking it.
	text *string
	file string
}

// String hides the secret.
func (s secret) String() string { return "<secret>" }

// GoString hides the secret from %#v as well.
func (s secret) GoString() string { return s.String() }

// isSet reports whether there is a secret at all.
func (s secret) isSet() bool { return s.text != nil && *s.text != "" || s.file != "" }

// read returns the secret.
func (s secret) read() (string, error) {
	switch {
	case s.file == "" && s.text == nil:
		return "", nil
	case s.file == "":
		return *s.text, nil
	}
	b, err := os.ReadFile(s.file)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// variable is a reference to the environment.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// UnmarshalYAML reads either form of a secret.
func (s *secret) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.MappingNode {
		if len(node.Content) != 2 || node.Content[0].Value != "file" || node.Content[1].Value == "" {
			return fmt.Errorf("line %d: a secret is a text or a mapping with the key \"file\"", node.Line)
		}
		s.file = node.Content[1].Value
		return nil
	}
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a secret is a text or a mapping with the key \"file\"", node.Line)
	}
	var missing []string
	text := variable.ReplaceAllStringFunc(node.Value, func(ref string) string {
		name := variable.FindStringSubmatch(ref)[1]
		value, ok := os.LookupEnv(name)
		if !ok {
			missing = append(missing, name)
		}
		return value
	})
	if missing != nil {
		return fmt.Errorf("line %d: not set in the environment: %s", node.Line, strings.Join(missing, ", "))
	}
	s.text = &text
	return nil
}

// loadConfig reads and checks a configuration file.
func loadConfig(path string) (*config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := parseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	c.resolve(filepath.Dir(path))
	return c, nil
}

// parseConfig reads a configuration strictly.
func parseConfig(b []byte) (*config, error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	c := new(config)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	return c, c.validate()
}

// validate finds what the types cannot. What the sources themselves check is left to them.
func (c *config) validate() error {
	if err := c.Trust.validate(); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	if err := c.DNS.validate(); err != nil {
		return fmt.Errorf("dns: %w", err)
	}
	if _, err := newSenders(c.Senders); err != nil {
		return err
	}
	if h := c.Sources.HTTP; h != nil && h.TLSReports && c.Trust.Mode == trust.ModeRequire {
		return errors.New("sources.http: tls_reports takes reports from everybody, which trust.mode require forbids")
	}
	for kind, list := range map[string][]folderConfig{
		"directories": c.Sources.Directories, "maildirs": c.Sources.Maildirs, "mboxes": c.Sources.Mboxes,
	} {
		for i, f := range list {
			if err := f.validate(); err != nil {
				return fmt.Errorf("sources.%s[%d]: %w", kind, i, err)
			}
		}
	}
	for i, s := range c.Sources.SMTP {
		if (s.CertFile == "") != (s.KeyFile == "") {
			return fmt.Errorf("sources.smtp[%d]: cert_file and key_file belong together", i)
		}
	}
	for i, s := range c.Sources.POP3 {
		if s.Username == "" || !s.Password.isSet() {
			return fmt.Errorf("sources.pop3[%d]: give username and password", i)
		}
	}
	for kind, list := range map[string][]webmailConfig{"graph": c.Sources.Graph, "gmail": c.Sources.Gmail} {
		for i, s := range list {
			if s.OAuth2 == nil {
				return fmt.Errorf("sources.%s[%d]: no oauth2", kind, i)
			}
		}
	}
	for i, s := range c.Sources.IMAP {
		switch {
		case s.Username == "":
			return fmt.Errorf("sources.imap[%d]: no username", i)
		case s.Password.isSet() == (s.OAuth2 != nil):
			return fmt.Errorf("sources.imap[%d]: give either password or oauth2", i)
		}
	}
	return nil
}

func (f *folderConfig) validate() error {
	if f.Path == "" {
		return errors.New("no path")
	}
	switch f.After {
	case "", ingest.AfterKeep, ingest.AfterMove, ingest.AfterDelete:
	default:
		return fmt.Errorf("after: %q is not one of keep, move, delete", f.After)
	}
	switch f.Refused {
	case "", refusedMove, refusedKeep:
	default:
		return fmt.Errorf("refused: %q is not one of move, keep", f.Refused)
	}
	return nil
}

// resolve makes the paths of the file relative to its directory.
func (c *config) resolve(dir string) {
	join := func(paths ...*string) {
		for _, p := range paths {
			if *p != "" && !filepath.IsAbs(*p) {
				*p = filepath.Join(dir, *p)
			}
		}
	}
	for _, list := range [][]folderConfig{c.Sources.Directories, c.Sources.Maildirs, c.Sources.Mboxes} {
		for i := range list {
			join(&list[i].Path)
		}
	}
	for i := range c.Sources.IMAP {
		s := &c.Sources.IMAP[i]
		join(&s.TLS.CAFile, &s.Password.file)
		if s.OAuth2 != nil {
			join(&s.OAuth2.ClientSecret.file, &s.OAuth2.RefreshToken.file)
		}
	}
	for _, list := range [][]webmailConfig{c.Sources.Graph, c.Sources.Gmail} {
		for _, s := range list {
			join(&s.OAuth2.ClientSecret.file, &s.OAuth2.RefreshToken.file)
		}
	}
	for i := range c.Sources.POP3 {
		join(&c.Sources.POP3[i].TLS.CAFile, &c.Sources.POP3[i].Password.file)
	}
	for i := range c.Sources.SMTP {
		join(&c.Sources.SMTP[i].CertFile, &c.Sources.SMTP[i].KeyFile)
	}
	if c.Sources.HTTP != nil {
		join(&c.Sources.HTTP.Token.file)
	}
}
