package dmarcconfig

import (
	"context"
	"errors"
	"net"
	"time"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
)

// DNS says whether the policies that the own domains publish are looked up.
type DNS struct {
	// Watch is how often; 0 means never.
	Watch time.Duration `yaml:"watch"`
	// Resolver is the address of a DNS server instead of those of the system.
	Resolver resolverAddress `yaml:"resolver"`
	// Timeout bounds the lookup of one domain; 0 means 10 seconds.
	Timeout time.Duration `yaml:"timeout"`
}

// Check finds settings that have no effect.
func (c *DNS) Check() error {
	if c.Watch == 0 && (c.Resolver != "" || c.Timeout != 0) {
		return errors.New("nothing is looked up without watch")
	}
	return nil
}

// Collector makes the collector, which has no domains when nothing is to be watched.
func (c *DNS) Collector(domains []string) (*collector.DNS, error) {
	switch {
	case c.Watch == 0:
		domains = nil
	case len(domains) == 0:
		return nil, errors.New("dns: watch needs domains")
	}
	return collector.NewDNS(resolver(c.Resolver), domains, collector.DNSConfig{
		Every: c.Watch, Timeout: c.Timeout,
	}), nil
}

// resolverAddress is the address of a DNS server, which may be empty.
type resolverAddress string

// Check finds what is no address with a port.
func (a *resolverAddress) Check() error {
	if *a == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(string(*a)); err != nil {
		return errors.New("must be an address and a port, such as 127.0.0.1:53")
	}
	return nil
}

// resolver asks the DNS server at an address, or those of the system.
func resolver(address resolverAddress) *net.Resolver {
	if address == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, string(address))
		},
	}
}
