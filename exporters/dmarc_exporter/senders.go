package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
)

// senderConfig names those who send mail from some networks.
type senderConfig struct {
	Name string `yaml:"name"`
	// Networks are networks in CIDR notation, or single addresses.
	Networks []string `yaml:"networks"`
}

// newSenders makes the names of senders, the well-known ones included.
func newSenders(list []senderConfig) (*ingest.Senders, error) {
	own := make([]ingest.Sender, 0, len(list))
	for i, c := range list {
		s := ingest.Sender{Name: c.Name}
		for _, text := range c.Networks {
			network, err := parseNetwork(text)
			if err != nil {
				return nil, fmt.Errorf("senders[%d]: %w", i, err)
			}
			s.Networks = append(s.Networks, network)
		}
		own = append(own, s)
	}
	senders, err := ingest.NewSenders(own)
	if err != nil {
		return nil, fmt.Errorf("senders: %w", err)
	}
	return senders, nil
}

// parseNetwork reads a network or an address. A network with bits set beyond
// its length is a mistake that nobody can guess the meaning of.
func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is neither a network nor an address", text)
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is neither a network nor an address", text)
	case network.Masked() != network:
		return netip.Prefix{}, fmt.Errorf("network %s begins at %s", text, network.Masked())
	}
	return network, nil
}
