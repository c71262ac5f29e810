package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/common/model"

	collector "github.com/dmarc-suite/dmarc-suite/collectors/dmarc"
)

// dnsConfig says whether the policies that the own domains publish are looked up.
type dnsConfig struct {
	// Watch is how often; 0 means never.
	Watch model.Duration `yaml:"watch"`
	// Resolver is the address of a DNS server instead of those of the system.
	Resolver string `yaml:"resolver"`
	// Timeout bounds the lookup of one domain; 0 means 10 seconds.
	Timeout model.Duration `yaml:"timeout"`
}

func (c *dnsConfig) validate() error {
	if c.Watch == 0 && (c.Resolver != "" || c.Timeout != 0) {
		return errors.New("nothing is looked up without watch")
	}
	return checkResolver(c.Resolver)
}

// watch makes the collector; nil when nothing is to be watched.
func (c *dnsConfig) watch(domains []string) (*collector.DNS, error) {
	if c.Watch == 0 {
		return nil, nil
	}
	if len(domains) == 0 {
		return nil, errors.New("dns: watch needs domains")
	}
	return collector.NewDNS(resolver(c.Resolver), domains, collector.DNSConfig{
		Every: time.Duration(c.Watch), Timeout: time.Duration(c.Timeout),
	}), nil
}

// checkResolver checks the address of a DNS server, which may be empty.
func checkResolver(address string) error {
	if address == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	return nil
}

// resolver asks the DNS server at an address, or those of the system.
func resolver(address string) *net.Resolver {
	if address == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
}
