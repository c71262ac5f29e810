package dmarcconfig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
	"github.com/dmarc-suite/dmarc-suite/internal/ingest/trust"
)

// Trust says how mails are authenticated.
type Trust struct {
	Mode trust.Mode `yaml:"mode"`
	// AuthServIDs are mail servers whose Authentication-Results are trusted.
	AuthServIDs []string `yaml:"auth_serv_ids"`
	// Aliases are the domains that reporters sign for, by their names.
	Aliases map[string][]string `yaml:"aliases"`
	// NoDKIM does not verify DKIM signatures, which needs DNS.
	NoDKIM bool `yaml:"no_dkim"`
	// Resolver is the address of a DNS server instead of those of the system.
	Resolver resolverAddress `yaml:"resolver"`
	// Timeout bounds the check of one mail; 0 means 10 seconds.
	Timeout time.Duration `yaml:"timeout"`
}

// Check finds what contradicts itself.
func (c *Trust) Check() error {
	switch c.Mode {
	case "", trust.ModeOff:
		return nil
	case trust.ModeLabel, trust.ModeRequire:
	default:
		return config.At("mode", fmt.Errorf("must be one of %s, %s, %s", trust.ModeOff, trust.ModeLabel, trust.ModeRequire))
	}
	if c.NoDKIM && len(c.AuthServIDs) == 0 {
		return errors.New("nothing authenticates mails: no_dkim is set, and there are no auth_serv_ids")
	}
	return nil
}

// withDefaults labels mails unless the mode is given, if that needs nothing that
// the operator does not allow: DNS, or a server to believe. servers are those
// that need not be named.
func (c Trust) withDefaults(dns *DNS, servers []string) Trust {
	if c.Mode != "" {
		return c
	}
	if len(c.AuthServIDs) == 0 {
		c.AuthServIDs = servers
	}
	if dns.Watch > 0 || len(c.AuthServIDs) > 0 {
		c.Mode = trust.ModeLabel
		c.NoDKIM = c.NoDKIM || dns.Watch == 0
		c.Resolver = cmp.Or(c.Resolver, dns.Resolver)
	}
	return c
}

// Authenticator returns nil when all mails are trusted.
func (c *File) Authenticator() ingest.Authenticator {
	t := c.trust()
	return t.authenticator()
}

// trust is what is in force, with the defaults.
func (c *File) trust() Trust { return c.Trust.withDefaults(&c.DNS, c.Sources.authServers()) }

// authServers are the servers whose Authentication-Results can be believed though
// nobody names them: Google's, which writes them above all that comes in, if each
// mail comes from a mailbox there. Exchange Online does not name itself.
func (c *Sources) authServers() []string {
	others := *c
	others.Gmail, others.IMAP = nil, nil
	elsewhere := func(i IMAP) bool {
		host, _, _ := strings.Cut(strings.ToLower(i.Address), ":")
		return host != "imap.gmail.com" && host != "imap.googlemail.com"
	}
	if c.Empty() || !others.Empty() || slices.ContainsFunc(c.IMAP, elsewhere) {
		return nil
	}
	return []string{"mx.google.com"}
}

func (c *Trust) authenticator() ingest.Authenticator {
	if c.Mode == "" || c.Mode == trust.ModeOff {
		return nil
	}
	policy := trust.Policy{Mode: c.Mode, AuthServIDs: c.AuthServIDs, Aliases: map[string][]string{}}
	for name, domains := range c.Aliases {
		policy.Aliases[strings.ToLower(name)] = domains
	}
	if !c.NoDKIM {
		policy.LookupTXT = resolver(c.Resolver).LookupTXT
	}
	timeout := cmp.Or(c.Timeout, 10*time.Second)
	return func(parent context.Context, mail *unpack.Mail, kind unpack.Kind) ingest.Authentication {
		if mail == nil {
			// Who can put a file there, or knows the token, is trusted.
			return ingest.Authentication{Result: string(trust.None)}
		}
		ctx, cancel := context.WithTimeout(parent, timeout)
		defer cancel()
		result := policy.Check(ctx, mail, kind)
		authentication := ingest.Authentication{Result: string(result.Outcome), Retry: result.Temporary, Strict: c.Mode == trust.ModeRequire}
		if result.Outcome == trust.Pass {
			authentication.Domain = policy.Organization(result.Domain)
			authentication.Speaks = func(org, email string) error { return policy.Speaks(result.Domain, org, email) }
		}
		if policy.Refuses(result) {
			authentication.Refused = errors.New(result.Reason)
			authentication.Down = result.Temporary && !answers(parent, policy.LookupTXT)
		}
		return authentication
	}
}

// answers reports whether the DNS works at all. A domain whose servers are out
// of order is the business of the mail in its name; no DNS is nobody's.
func answers(ctx context.Context, lookup func(context.Context, string) ([]string, error)) bool {
	const (
		known   = "example.com." // RFC 2606: it exists, and nobody else can have it
		timeout = 5 * time.Second
	)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return lookUp(ctx, lookup, known) == nil
}

// lookUp returns why the DNS does not answer. That there is nothing is an answer.
func lookUp(ctx context.Context, lookup func(context.Context, string) ([]string, error), name string) error {
	_, err := lookup(ctx, name)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return nil
	}
	return err
}
