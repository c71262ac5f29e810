package store

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// The names of senders that nothing else is known of.
const (
	// SenderOwn is a host whose messages are authenticated for the domain itself.
	SenderOwn = "own"
	// SenderUnauthenticated is a host of which no message was authenticated.
	SenderUnauthenticated = "unauthenticated"
)

// address is what is known of an address beside its records.
type address struct {
	sender, guess, host, hostSender, asName, country string
	asn                                              int64
}

// name returns the name of a sender: that of the network, who the messages were
// authenticated for, or what the address suggests.
func (a address) name(authenticated string) string {
	if a.sender == "" && (authenticated == SenderOwn || authenticated == SenderUnauthenticated) {
		return cmp.Or(a.guess, a.hostSender, a.asName, authenticated)
	}
	return cmp.Or(a.sender, authenticated)
}

// authenticatedFor returns who messages were authenticated for, as far as their
// content tells.
func (f *facts) authenticatedFor() string {
	switch {
	case f.sender != "":
		return f.sender
	case f.class == tally.ClassUnauthenticated || len(f.passed) == 0:
		return SenderUnauthenticated
	}
	return SenderOwn
}

// addressesOf reads what is known of addresses.
func addressesOf(ctx context.Context, v *View, sources []string) (map[string]address, error) {
	known := map[string]address{}
	// Only addresses are known, and their texts have nothing to escape.
	var quoted []string
	for _, source := range sources {
		if a, err := netip.ParseAddr(source); err == nil && a.Zone() == "" {
			quoted = append(quoted, "'"+a.String()+"'")
		}
	}
	for some := range slices.Chunk(quoted, mostListed) {
		err := v.Query(ctx, func(row []any) error {
			c := cells{row: row}
			known[c.text()] = address{c.text(), c.text(), c.text(), c.text(), c.text(), c.text(), c.number()}
			return nil
		}, "SELECT source_ip, sender, guess, host, host_sender, as_name, country, asn FROM addresses WHERE source_ip IN ("+strings.Join(some, ",")+")")
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}

// describe adds to groups by source what is known of the addresses.
func describe(ctx context.Context, v *View, groups []Group) error {
	sources := make([]string, len(groups))
	for i := range groups {
		sources[i] = groups[i].Name
	}
	known, err := addressesOf(ctx, v, sources)
	for i := range groups {
		g := &groups[i]
		a := known[g.Name]
		g.Sender, g.Host, g.Country, g.ASName, g.ASN = a.name(g.Sender), a.host, a.country, a.asName, a.asn
	}
	return err
}
