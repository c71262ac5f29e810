package dmarcconfig

import (
	"errors"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
	"github.com/dmarc-suite/dmarc-suite/internal/sender"
)

// Addresses says what is found out about the addresses of senders.
type Addresses struct {
	// Databases are files in the MMDB format with autonomous systems or countries.
	Databases []config.Path `yaml:"databases"`
	// ReverseDNS says whether the names of addresses are looked up.
	ReverseDNS *ReverseDNS `yaml:"reverse_dns"`
}

// ReverseDNS says how the names of addresses are looked up.
type ReverseDNS struct {
	// Resolver is the address of a DNS server instead of those of the system.
	Resolver resolverAddress `yaml:"resolver"`
	// Timeout bounds a lookup; 0 means 5 seconds.
	Timeout time.Duration `yaml:"timeout"`
	// Interval is between lookups; 0 means 100 milliseconds.
	Interval time.Duration `yaml:"interval"`
	// MapFile names senders by the organizational domains of hosts: CSV with the
	// columns base_reverse_dns, name and type.
	MapFile config.Path `yaml:"map_file"`
}

// Check finds durations that make no sense.
func (c *ReverseDNS) Check() error {
	if c.Timeout < 0 || c.Interval < 0 {
		return errors.New("a negative duration")
	}
	return nil
}

// Names returns the names of senders: of the configuration, of what is known of
// services, and of addresses. Hosts may be nil.
func (c *File) Names(hosts *sender.Hosts) (*sender.Names, error) {
	paths := make([]string, len(c.Addresses.Databases))
	for i, path := range c.Addresses.Databases {
		paths[i] = string(path)
	}
	database, err := sender.OpenDatabase(paths...)
	if err != nil {
		return nil, config.At("addresses.databases", err)
	}
	return sender.New(sender.Config{Networks: c.Senders.networks(), Database: database, Hosts: hosts})
}

// Lookups says how the names of addresses are looked up; nil when they are not.
func (c *Addresses) Lookups() (*sender.Lookups, error) {
	r := c.ReverseDNS
	if r == nil {
		return nil, nil
	}
	l := &sender.Lookups{Resolver: resolver(r.Resolver), Timeout: r.Timeout, Interval: r.Interval}
	if r.MapFile != "" {
		var err error
		if l.Map, err = sender.ReadMap(string(r.MapFile)); err != nil {
			return nil, config.At("addresses.reverse_dns.map_file", err)
		}
	}
	return l, nil
}
