package sender

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// newNames makes names of networks alone.
func newNames(own []Network) (*Names, error) { return New(Config{Networks: own}) }

// named returns the name of the network of an address.
func (n *Names) named(a netip.Addr) string {
	own, known := n.network(a)
	return cmp.Or(own, known, tally.Other)
}

func TestSenders(t *testing.T) {
	senders, err := newNames([]Network{
		{"office", prefixes("192.0.2.0/25", "2001:db8::/32")},
		{"printer", prefixes("192.0.2.9/32")},
		{"office", prefixes("192.0.2.200/32")},
		{"our Google", prefixes("209.85.0.0/16")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"192.0.2.0": "office", "192.0.2.8": "office", "192.0.2.9": "printer", "192.0.2.10": "office", "192.0.2.127": "office",
		"192.0.2.128": tally.Other, "192.0.2.200": "office", "192.0.1.255": tally.Other,
		"2001:db8::1": "office", "2001:db8:ffff::1": "office", "2001:db9::": tally.Other, "fe80::1%eth0": tally.Other,
		"::ffff:192.0.2.9": "printer", "0.0.0.0": tally.Other, "255.255.255.255": tally.Other, "::": tally.Other,
		// Own names win, although the well-known network is smaller.
		"209.85.220.41": "our Google", "74.125.0.1": "google", "2a00:1450:4864:20::32d": "google",
		"40.107.22.1": "microsoft", "2a01:111:f403:c205::1": "microsoft", "54.240.8.1": "amazon_ses",
		"50.31.156.100": "postmark", "167.89.1.1": "sendgrid", "17.58.6.1": "apple",
	} {
		if got := senders.named(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is %q, want %q", address, got, want)
		}
	}
	if got := senders.named(netip.Addr{}); got != tally.Other {
		t.Errorf("no address is %q, want %q", got, tally.Other)
	}
}

// TestKnownSenders holds the list to its form: few names, in lower case, sorted out of nothing else.
func TestKnownSenders(t *testing.T) {
	var names []string
	for _, s := range parseNetworks(knownNetworks) {
		if strings.ToLower(s.Name) != s.Name || strings.ContainsAny(s.Name, " -.") {
			t.Errorf("name %q", s.Name)
		}
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < 20 || len(names) > 50 {
		t.Errorf("%d names, want 20 to 50: they become labels", len(names))
	}
}

// TestSendersRandom compares with looking at every network.
func TestSendersRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	address := func() netip.Addr {
		return netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(4)), byte(random.IntN(256))})
	}
	for range 200 {
		seen := map[netip.Prefix]string{}
		var own []Network
		for i := range random.IntN(12) + 1 {
			p := netip.PrefixFrom(address(), 20+random.IntN(13)).Masked()
			if name := string(rune('a' + i)); seen[p] == "" {
				seen[p] = name
				own = append(own, Network{name, []netip.Prefix{p}})
			}
		}
		senders, err := newNames(own)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			a, want, bits := address(), tally.Other, -1
			for p, name := range seen {
				if p.Contains(a) && p.Bits() > bits {
					want, bits = name, p.Bits()
				}
			}
			if got := senders.named(a); got != want {
				t.Fatalf("%s is %q, want %q of %v", a, got, want, seen)
			}
		}
	}
}

func TestSendersRefused(t *testing.T) {
	network := prefixes("192.0.2.0/24")
	for _, tt := range []struct {
		own  []Network
		want string
	}{
		{[]Network{{"", network}}, "no name"},
		{[]Network{{"a", nil}}, "no networks"},
		{[]Network{{"other", network}}, "stands for"},
		{[]Network{{" a", network}}, "spaces"},
		{[]Network{{"a\n", network}}, "cannot be shown"},
		{[]Network{{"a\xff", network}}, "cannot be shown"},
		{[]Network{{strings.Repeat("a", 101), network}}, "longer than 100"},
		{[]Network{{"a", []netip.Prefix{{}}}}, "is no network"},
		{[]Network{{"a", []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}}, "is no network"},
		{[]Network{{"a", network}, {"b", network}}, `given to "a" and to "b"`},
	} {
		if _, err := newNames(tt.own); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}

func BenchmarkSenders(b *testing.B) {
	senders, err := newNames(nil)
	if err != nil {
		b.Fatal(err)
	}
	a := netip.MustParseAddr("198.2.130.7")
	b.ReportAllocs()
	for range b.N {
		senders.named(a)
	}
}
