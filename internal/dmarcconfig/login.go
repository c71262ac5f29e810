package dmarcconfig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// login is a mailbox whose token comes from the command login.
type login struct {
	user   string
	config *OAuth2
}

// logins are the mailboxes with a token_file.
func (c *Sources) logins() (all []login) {
	for i := range c.IMAP {
		all = append(all, login{c.IMAP[i].Username, c.IMAP[i].OAuth2})
	}
	for _, list := range [][]Webmail{c.Graph, c.Gmail} {
		for i := range list {
			all = append(all, login{list[i].User, list[i].OAuth2})
		}
	}
	wanted := all[:0]
	for _, l := range all {
		if l.config != nil && l.config.TokenFile != "" {
			wanted = append(wanted, l)
		}
	}
	return wanted
}

// Login asks a person to sign in for each mailbox with a token_file, or for that
// of one user, by a code for a device (RFC 8628), and keeps the tokens.
func (c *Sources) Login(ctx context.Context, user string, out io.Writer) error {
	logins := c.logins()
	found := 0
	for _, l := range logins {
		if user != "" && l.user != user {
			continue
		}
		found++
		if err := l.run(ctx, out); err != nil {
			return fmt.Errorf("sign in as %s: %w", l.user, err)
		}
	}
	switch {
	case found > 0:
		return nil
	case user != "":
		return fmt.Errorf("no mailbox of %s has oauth2.token_file", user)
	}
	return errors.New("no mailbox has oauth2.token_file, which is where the token would go")
}

// run signs in for one mailbox.
func (l login) run(ctx context.Context, out io.Writer) error {
	c, err := l.config.client()
	if err != nil {
		return err
	}
	if c.Endpoint.DeviceAuthURL, err = l.config.deviceURL(); err != nil {
		return err
	}
	device, err := c.DeviceAuth(ctx)
	if err != nil {
		return fmt.Errorf("ask for a code: %w", err)
	}
	address := cmp.Or(device.VerificationURI, device.VerificationURIComplete)
	fmt.Fprintf(out, "Open %s in a browser, sign in as %s, and enter the code %s\n", address, l.user, device.UserCode)
	token, err := c.DeviceAccessToken(ctx, device)
	if err != nil {
		return fmt.Errorf("wait for the sign-in: %w", err)
	}
	if token.RefreshToken == "" {
		return errors.New("the server sent no refresh token: add the scope offline_access")
	}
	if err := writeToken(string(l.config.TokenFile), token.RefreshToken); err != nil {
		return err
	}
	fmt.Fprintf(out, "Signed in. The token is in %s\n", l.config.TokenFile)
	return nil
}

// deviceURL is where to ask for a code.
func (c *OAuth2) deviceURL() (string, error) {
	switch {
	case c.DeviceURL != "":
		return c.DeviceURL, nil
	case strings.HasPrefix(c.TokenURL, "https://login.microsoftonline.") && strings.HasSuffix(c.TokenURL, "/token"):
		return strings.TrimSuffix(c.TokenURL, "/token") + "/devicecode", nil
	}
	return "", errors.New("oauth2.device_url is missing")
}
