package exporter

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/dmarc-suite/dmarc-suite/internal/yamlsyntax"
)

// Users tells who requests come from, by the file of --web.config.file. The zero
// value knows nobody.
type Users struct{ file *string }

// Users returns those of the flags.
func (f *Flags) Users() Users { return Users{f.web.WebConfigFile} }

// userConfig is what of --web.config.file says who users are.
type userConfig struct {
	Passwords map[string]string `yaml:"basic_auth_users"`
	TLS       struct {
		ClientAuth string `yaml:"client_auth_type"`
	} `yaml:"tls_server_config"`
}

// errNoUsers is why nobody has a name.
var errNoUsers = errors.New("nobody has a name without --web.config.file: it lists basic_auth_users, or asks for client certificates")

// read reads the file, as the toolkit does for each request.
func (u Users) read() (*userConfig, error) {
	if u.file == nil || *u.file == "" {
		return nil, errNoUsers
	}
	content, err := os.ReadFile(*u.file)
	if err != nil {
		return nil, fmt.Errorf("read --web.config.file: %w", err)
	}
	c := &userConfig{}
	if err := yaml.Unmarshal(content, c); err != nil {
		return nil, fmt.Errorf("read %s of --web.config.file: %w", *u.file, yamlsyntax.Plain(err))
	}
	return c, nil
}

// Given reports whether there is a --web.config.file.
func (u Users) Given() bool { return u.file != nil && *u.file != "" }

// Of returns the names of the user that a request was authenticated as, none
// without: the user whose password was checked, or if there are no passwords the
// names in the client certificate, its common name and its alternative names.
func (u Users) Of(r *http.Request) []string {
	c, err := u.read()
	if err != nil {
		return nil
	}
	if len(c.Passwords) > 0 {
		// The server has checked the password of a user that it knows.
		if name, _, ok := r.BasicAuth(); ok && c.Passwords[name] != "" {
			return []string{name}
		}
		return nil
	}
	// A certificate that was not verified is in no chain.
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	return namesOf(r.TLS.VerifiedChains[0][0])
}

// namesOf returns the names in a certificate.
func namesOf(c *x509.Certificate) []string {
	names := slices.Concat([]string{c.Subject.CommonName}, c.DNSNames, c.EmailAddresses)
	for _, uri := range c.URIs {
		names = append(names, uri.String())
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// Check returns why no request can come from a user. Certificates may have any
// name.
func (u Users) Check(name string) error {
	c, err := u.read()
	switch {
	case err != nil:
		return err
	case len(c.Passwords) > 0 && c.Passwords[name] == "":
		return fmt.Errorf("%q is not among the basic_auth_users of %s", name, *u.file)
	case len(c.Passwords) > 0, c.TLS.ClientAuth == "RequireAndVerifyClientCert", c.TLS.ClientAuth == "VerifyClientCertIfGiven":
		return nil
	}
	return fmt.Errorf("%s has no basic_auth_users, and its client_auth_type verifies no certificates: nobody has a name", *u.file)
}
