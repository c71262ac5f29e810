package imap

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// Credentials log in to a server. They are used for every connection, so that
// changed passwords and expired tokens are renewed.
type Credentials interface {
	login(ctx context.Context, c *imapclient.Client) error
}

// Password logs in with a user name and a password, which is asked for anew each time.
func Password(user string, password func() (string, error)) Credentials {
	return passwordAuth{user: user, password: password}
}

type passwordAuth struct {
	user     string
	password func() (string, error)
}

func (a passwordAuth) login(_ context.Context, c *imapclient.Client) error {
	password, err := a.password()
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	caps := c.Caps()
	switch {
	case caps.Has(imap.AuthCap(sasl.Plain)):
		err := c.Authenticate(sasl.NewPlainClient("", a.user, password))
		if answer, refused := refusal(err); refused && answer.Code == "" && !caps.Has(imap.CapLoginDisabled) {
			// Some offer what they cannot do. Those that mean the password say so (RFC 5530).
			return c.Login(a.user, password).Wait()
		}
		return err
	case caps.Has(imap.CapLoginDisabled):
		return errors.New("the server does not allow to log in over this connection")
	}
	return c.Login(a.user, password).Wait()
}

// Token logs in with an OAuth 2 access token, by XOAUTH2 or OAUTHBEARER
// (RFC 7628). token returns a token; renew is true after the server refused
// the last one, which then must not be returned again.
func Token(user string, token func(ctx context.Context, renew bool) (string, error)) Credentials {
	return &tokenAuth{user: user, token: token}
}

type tokenAuth struct {
	user  string
	token func(ctx context.Context, renew bool) (string, error)
}

func (a *tokenAuth) login(ctx context.Context, c *imapclient.Client) error {
	token, err := a.token(ctx, false)
	if err != nil {
		return fmt.Errorf("get access token: %w", err)
	}
	var client sasl.Client = &xoauth2{user: a.user, token: token}
	if !c.Caps().Has(imap.AuthCap("XOAUTH2")) && c.Caps().Has(imap.AuthCap(sasl.OAuthBearer)) {
		client = sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: a.user, Token: token})
	}
	if err := c.Authenticate(client); err != nil {
		// The next connection comes with a fresh token. An error of that is told then.
		_, _ = a.token(ctx, true)
		return err
	}
	return nil
}

// xoauth2 is the SASL mechanism XOAUTH2 of Google and Microsoft.
type xoauth2 struct {
	user, token string
}

// Start returns the only message of the client.
func (x *xoauth2) Start() (mech string, ir []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next gets a description of the failure, a JSON object. An empty answer
// would be the protocol, but it costs a round trip to hear "no" again.
func (x *xoauth2) Next(challenge []byte) ([]byte, error) {
	const limit = 300
	return nil, fmt.Errorf("token refused: %.*s", limit, challenge)
}
