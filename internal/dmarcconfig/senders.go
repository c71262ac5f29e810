package dmarcconfig

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/sender"
)

// Sender names those who send mail from some networks.
type Sender struct {
	Name     string    `yaml:"name"`
	Networks []network `yaml:"networks"`
}

// Senders names senders.
type Senders []Sender

// Check finds networks that have two names.
func (l *Senders) Check() error {
	_, err := sender.New(sender.Config{Networks: l.networks()})
	return err
}

// networks returns the networks with their names.
func (l *Senders) networks() []sender.Network {
	own := make([]sender.Network, 0, len(*l))
	for _, c := range *l {
		s := sender.Network{Name: c.Name}
		for _, n := range c.Networks {
			s.Networks = append(s.Networks, netip.Prefix(n))
		}
		own = append(own, s)
	}
	return own
}

// network is a network in CIDR notation, or a single address.
type network netip.Prefix

// UnmarshalText reads a network or an address. A network with bits set beyond
// its length is a mistake that nobody can guess the meaning of.
func (n *network) UnmarshalText(b []byte) error {
	text := string(b)
	if !strings.Contains(text, "/") {
		text = fmt.Sprintf("%s/%d", text, bits(text))
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return errors.New("must be a network, such as 192.0.2.0/24, or an address")
	case prefix.Masked() != prefix:
		return fmt.Errorf("the network begins at %s", prefix.Masked())
	}
	*n = network(prefix)
	return nil
}

// bits returns the length of an address.
func bits(text string) int {
	a, _ := netip.ParseAddr(text) // No address has no bits.
	return a.BitLen()
}
