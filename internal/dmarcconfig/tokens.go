package dmarcconfig

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"
)

// tokenTimeout bounds the request for a token.
const tokenTimeout = 30 * time.Second

// tokens gets OAuth 2 access tokens and keeps one until it expires.
type tokens struct {
	config *OAuth2
	// user is whose mailbox it is.
	user   string
	logger *slog.Logger
	mu     sync.Mutex
	token  *oauth2.Token
	// refresh is the last refresh token, if it came in place of that of the configuration.
	refresh string
}

func newTokens(c *OAuth2, user string, logger *slog.Logger) *tokens {
	return &tokens{config: c, user: user, logger: logger}
}

// get returns a token; renew drops the one that it has.
func (t *tokens) get(ctx context.Context, renew bool) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if renew {
		t.token = nil
		return "", nil
	}
	if !t.token.Valid() {
		ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
		defer cancel()
		token, err := t.fetch(ctx)
		if err != nil {
			return "", err
		}
		t.token = token
	}
	return t.token.AccessToken, nil
}

// fetch asks for a token by the way of the configuration.
func (t *tokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	switch {
	case t.config.ManagedIdentity:
		return t.managedIdentity(ctx)
	case t.config.ServiceAccount.IsSet():
		return t.serviceAccount(ctx)
	case t.config.RefreshToken.IsSet(), t.config.TokenFile != "":
		return t.refreshed(ctx)
	}
	return t.clientCredentials(ctx)
}

// clientCredentials signs in as the application itself, by a secret, a
// certificate or the token of another service.
func (t *tokens) clientCredentials(ctx context.Context) (*oauth2.Token, error) {
	secret, err := t.config.ClientSecret.Read()
	if err != nil {
		return nil, err
	}
	c := clientcredentials.Config{ClientID: t.config.ClientID, ClientSecret: secret, TokenURL: t.config.TokenURL, Scopes: t.config.Scopes}
	assertion := ""
	switch {
	case t.config.CertFile != "":
		assertion, err = certificateAssertion(t.config, time.Now())
	case t.config.FederatedTokenFile != "":
		var text []byte
		text, err = os.ReadFile(string(t.config.FederatedTokenFile))
		assertion = strings.TrimSpace(string(text))
	}
	if err != nil {
		return nil, err
	}
	if assertion != "" {
		c.AuthStyle = oauth2.AuthStyleInParams
		c.EndpointParams = url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
		}
	}
	return c.Token(ctx)
}

// refreshed uses a refresh token. Some servers send another one with each token,
// which is good for longer.
func (t *tokens) refreshed(ctx context.Context) (*oauth2.Token, error) {
	refresh, err := t.refreshToken()
	if err != nil {
		return nil, err
	}
	c, err := t.config.client()
	if err != nil {
		return nil, err
	}
	token, err := c.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil || token.RefreshToken == "" || token.RefreshToken == refresh {
		return token, err
	}
	t.refresh = token.RefreshToken
	if t.config.TokenFile != "" {
		if err := writeToken(string(t.config.TokenFile), token.RefreshToken); err != nil {
			t.logger.Warn("cannot keep the new refresh token, the old one is used after a restart", "user", t.user, "err", err)
		}
	}
	return token, nil
}

// refreshToken returns the last one there is. That of a file may have been made anew.
func (t *tokens) refreshToken() (string, error) {
	if t.config.TokenFile == "" {
		refresh, err := t.config.RefreshToken.Read()
		return cmp.Or(t.refresh, refresh), err
	}
	text, err := os.ReadFile(string(t.config.TokenFile))
	if err != nil {
		return "", fmt.Errorf("there is no token yet, run dmarc_exporter login: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// client is the application as a client of the server.
func (c *OAuth2) client() (*oauth2.Config, error) {
	secret, err := c.ClientSecret.Read()
	out := &oauth2.Config{ClientID: c.ClientID, ClientSecret: secret, Scopes: c.Scopes, Endpoint: oauth2.Endpoint{TokenURL: c.TokenURL}}
	if secret == "" {
		out.Endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client
	}
	return out, err
}

// writeToken puts a token into a file that only its owner can read, at once or not at all.
func writeToken(path, token string) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".token-*")
	if err != nil {
		return fmt.Errorf("write the token: %w", err)
	}
	defer os.Remove(file.Name())
	_, err = io.WriteString(file, token+"\n")
	err = cmp.Or(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the token: %w", err)
	}
	return nil
}

// serviceAccount signs in as a service account of Google for the user.
func (t *tokens) serviceAccount(ctx context.Context) (*oauth2.Token, error) {
	text, err := t.config.ServiceAccount.Read()
	if err != nil {
		return nil, err
	}
	var key struct {
		Email    string `json:"client_email"`
		ID       string `json:"private_key_id"`
		Private  string `json:"private_key"`
		TokenURL string `json:"token_uri"`
	}
	if err := json.Unmarshal([]byte(text), &key); err != nil || key.Email == "" || key.Private == "" {
		return nil, fmt.Errorf("service_account is no key of a service account in JSON")
	}
	c := jwt.Config{
		Email: key.Email, PrivateKey: []byte(key.Private), PrivateKeyID: key.ID, Subject: t.user, Scopes: t.config.Scopes,
		TokenURL: cmp.Or(t.config.TokenURL, key.TokenURL, "https://oauth2.googleapis.com/token"),
	}
	return c.TokenSource(ctx).Token()
}

// managedIdentity asks the machine at Azure: a virtual machine, or an App Service
// or a container by the variables of its environment.
func (t *tokens) managedIdentity(ctx context.Context) (*oauth2.Token, error) {
	address, version := "http://169.254.169.254/metadata/identity/oauth2/token", "2018-02-01"
	header, value := "Metadata", "true"
	if endpoint := os.Getenv("IDENTITY_ENDPOINT"); endpoint != "" {
		address, version = endpoint, "2019-08-01"
		header, value = "X-Identity-Header", os.Getenv("IDENTITY_HEADER")
	}
	query := url.Values{"api-version": {version}, "resource": {strings.TrimSuffix(t.config.Scopes[0], "/.default")}}
	if t.config.ClientID != "" {
		query.Set("client_id", t.config.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cmp.Or(t.config.TokenURL, address)+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set(header, value)
	// It is on this machine: no proxy knows it.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for the managed identity: %w", err)
	}
	defer resp.Body.Close()
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return nil, fmt.Errorf("ask for the managed identity: %w", err)
	}
	var answer struct {
		Token   string      `json:"access_token"`
		Seconds json.Number `json:"expires_in"`
		On      json.Number `json:"expires_on"`
	}
	if err := json.Unmarshal(text, &answer); resp.StatusCode != http.StatusOK || err != nil || answer.Token == "" {
		return nil, fmt.Errorf("ask for the managed identity: the answer is %d: %.300q", resp.StatusCode, text)
	}
	token := &oauth2.Token{AccessToken: answer.Token}
	if seconds, err := answer.Seconds.Int64(); err == nil {
		token.Expiry = time.Now().Add(time.Duration(seconds) * time.Second)
	} else if on, err := answer.On.Int64(); err == nil {
		token.Expiry = time.Unix(on, 0)
	}
	return token, nil
}
