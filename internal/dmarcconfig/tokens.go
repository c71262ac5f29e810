package dmarcconfig

import (
	"context"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// tokens gets OAuth 2 access tokens and keeps one until it expires.
type tokens struct {
	config *OAuth2
	mu     sync.Mutex
	token  *oauth2.Token
}

func newTokens(c *OAuth2) *tokens { return &tokens{config: c} }

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
