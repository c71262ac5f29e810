package sender

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Network is a name for those who send mail from some networks. Names become labels.
type Network struct {
	Name     string
	Networks []netip.Prefix
}

//go:embed networks.txt
var knownNetworks string

// parseNetworks reads lines of a name and networks. The file is ours: a mistake is found by its test.
func parseNetworks(text string) []Network {
	var all []Network
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		s := Network{Name: fields[0]}
		for _, network := range fields[1:] {
			prefix, _ := netip.ParsePrefix(network) // newNetworks refuses what is no network
			s.Networks = append(s.Networks, prefix)
		}
		all = append(all, s)
	}
	return all
}

// networks are sorted by their first address, the larger before the smaller,
// so that any two are either apart or the later is within the earlier.
type networks []network

type network struct {
	prefix netip.Prefix
	name   string
	// outer is the position of the smallest network around it, or -1.
	outer int
}

func newNetworks(senders []Network) (networks, error) {
	var all networks
	for _, s := range senders {
		if err := checkName(s.Name); err != nil {
			return nil, fmt.Errorf("sender %q: %w", s.Name, err)
		}
		if len(s.Networks) == 0 {
			return nil, fmt.Errorf("sender %q: no networks", s.Name)
		}
		for _, prefix := range s.Networks {
			if !prefix.IsValid() || prefix.Masked() != prefix || prefix.Addr().Is4In6() {
				return nil, fmt.Errorf("sender %q: %s is no network", s.Name, prefix)
			}
			all = append(all, network{prefix: prefix, name: s.Name})
		}
	}
	slices.SortFunc(all, func(a, b network) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	for i := range all {
		if i > 0 && all[i].prefix == all[i-1].prefix {
			return nil, fmt.Errorf("network %s is given to %q and to %q", all[i].prefix, all[i-1].name, all[i].name)
		}
		all[i].outer = i - 1
		for o := i - 1; o >= 0 && !all[o].prefix.Contains(all[i].prefix.Addr()); o = all[o].outer {
			all[i].outer = all[o].outer
		}
	}
	return all, nil
}

// find returns the name of the smallest network with an address, or "".
func (n networks) find(a netip.Addr) string {
	// The last one that begins at the address or before is it, or within it.
	after := sort.Search(len(n), func(i int) bool { return n[i].prefix.Addr().Compare(a) > 0 })
	for i := after - 1; i >= 0; i = n[i].outer {
		if n[i].prefix.Contains(a) {
			return n[i].name
		}
	}
	return ""
}

// checkName holds a name to what a label shows unchanged.
func checkName(name string) error {
	const longest = 100
	switch {
	case name == "":
		return errors.New("no name")
	case len(name) > longest:
		return fmt.Errorf("the name is longer than %d bytes", longest)
	case name == tally.Other, name == tally.Unknown, name == tally.Foreign:
		return errors.New("the name stands for what has none")
	case strings.ContainsFunc(name, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }),
		strings.Join(strings.Fields(name), " ") != name:
		return errors.New("the name has spaces at its ends or characters that cannot be shown")
	}
	return nil
}
