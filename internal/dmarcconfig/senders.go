package dmarcconfig

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/ingest"
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
	_, err := l.Names()
	return err
}

// Names returns the names of senders, the well-known ones included.
func (l *Senders) Names() (*ingest.Senders, error) {
	own := make([]ingest.Sender, 0, len(*l))
	for _, c := range *l {
		s := ingest.Sender{Name: c.Name}
		for _, n := range c.Networks {
			s.Networks = append(s.Networks, netip.Prefix(n))
		}
		own = append(own, s)
	}
	return ingest.NewSenders(own)
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
