package dmarcconfig

import (
	"crypto/tls"
	"errors"
	"net/url"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// OAuth2 gets access tokens: by one of the ways that its keys name, or else by
// client credentials.
type OAuth2 struct {
	TokenURL     string        `yaml:"token_url"`
	ClientID     string        `yaml:"client_id"`
	ClientSecret config.Secret `yaml:"client_secret"`
	Scopes       []string      `yaml:"scopes"`
	// RefreshToken is one that was made elsewhere.
	RefreshToken config.Secret `yaml:"refresh_token"`
	// TokenFile is where the command login puts a refresh token, and where the
	// one is put that comes in its place.
	TokenFile config.Path `yaml:"token_file"`
	// DeviceURL is where login asks for a code, if it cannot be told from TokenURL.
	DeviceURL string `yaml:"device_url"`
	// CertFile and KeyFile sign in place of a client secret (RFC 7523).
	CertFile config.Path `yaml:"cert_file"`
	KeyFile  config.Path `yaml:"key_file"`
	// FederatedTokenFile has a token of another service, such as Kubernetes, in
	// place of a client secret.
	FederatedTokenFile config.Path `yaml:"federated_token_file"`
	// ManagedIdentity asks the machine at Azure.
	ManagedIdentity bool `yaml:"managed_identity"`
	// ServiceAccount is the key of a service account of Google in JSON, which acts
	// for the user of the mailbox.
	ServiceAccount config.Secret `yaml:"service_account"`
}

// Check finds what is missing or contradicts itself.
func (c *OAuth2) Check() error {
	ways := 0
	for _, set := range []bool{c.RefreshToken.IsSet(), c.TokenFile != "", c.CertFile != "", c.FederatedTokenFile != "", c.ManagedIdentity, c.ServiceAccount.IsSet()} {
		if set {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("give only one of refresh_token, token_file, cert_file, federated_token_file, managed_identity and service_account")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("cert_file and key_file belong together")
	case len(c.Scopes) == 0 && (c.ManagedIdentity || c.ServiceAccount.IsSet()):
		return config.At("scopes", errMissing)
	case c.ManagedIdentity, c.ServiceAccount.IsSet():
		return nil // They know where to ask.
	case c.TokenURL == "":
		return config.At("token_url", errMissing)
	case c.ClientID == "":
		return config.At("client_id", errMissing)
	}
	if where, err := url.Parse(c.TokenURL); err != nil || where.Host == "" {
		return config.At("token_url", errors.New("must be a URL"))
	}
	if c.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(string(c.CertFile), string(c.KeyFile)); err != nil {
			return config.At("cert_file", err)
		}
	}
	return nil
}
