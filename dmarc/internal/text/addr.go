package text

import (
	"net/netip"
	"strings"
)

// longestAddr bounds a word that may be an address.
const longestAddr = 64

// Addr finds the IP address in s: alone, in brackets, as an address literal,
// with a port, a zone or a host name beside it. repaired says that s is more
// than a plain address (RFC 5952, RFC 4291). The zero Addr means that there is
// none, or more than one.
func Addr(s string) (a netip.Addr, repaired bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		// fe80::1%eth0 and ::ffff:192.0.2.1 name the address with a zone, or as IPv4 within IPv6.
		return plain(a), a.Zone() != "" || a.Is4In6()
	}
	if p, err := netip.ParsePrefix(strings.TrimSpace(s)); err == nil && !p.IsSingleIP() {
		return netip.Addr{}, false // a network is no address
	}
	separator := func(r rune) bool { return strings.ContainsRune(" \t\r\n()[]<>,;=\"'/|#", r) }
	for word := range strings.FieldsFuncSeq(s, separator) {
		found, ok := addrWord(word)
		switch {
		case !ok:
		case a.IsValid() && a != found:
			return netip.Addr{}, false
		default:
			a = found
		}
	}
	return a, a.IsValid()
}

func plain(a netip.Addr) netip.Addr { return a.WithZone("").Unmap() }

// addrWord reads a word that may be an address.
func addrWord(word string) (netip.Addr, bool) {
	for _, kind := range []string{"IPv6:", "IPv4:", "IP4:", "IP6:", "IP:", "inet:", "inet6:"} {
		// An address literal (RFC 5321, section 4.1.3), SPF and Postfix.
		if n := len(kind); len(word) > n && strings.EqualFold(word[:n], kind) {
			word = word[n:]
			break
		}
	}
	if len(word) > longestAddr {
		return netip.Addr{}, false
	}
	if a, err := netip.ParseAddr(word); err == nil {
		return plain(a), true
	}
	if ap, err := netip.ParseAddrPort(word); err == nil {
		return plain(ap.Addr()), true
	}
	a, err := netip.ParseAddr(decimal(word))
	return plain(a), err == nil
}

// decimal removes the leading zeros of a dotted quad, which some pad to a fixed width.
func decimal(s string) string {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return s
	}
	for i, p := range parts {
		for len(p) > 1 && p[0] == '0' {
			p = p[1:]
		}
		parts[i] = p
	}
	return strings.Join(parts, ".")
}

// IPv4 reads a dotted quad without leading zeros, in less time than netip
// needs and without a string.
func IPv4(b []byte) (netip.Addr, bool) {
	if len(b) < 7 || len(b) > 15 {
		return netip.Addr{}, false
	}
	var a [4]byte
	part, value, width := 0, 0, 0
	for _, c := range b {
		if c == '.' {
			if width == 0 || part == 3 {
				return netip.Addr{}, false
			}
			a[part] = byte(value)
			part, value, width = part+1, 0, 0
			continue
		}
		if c < '0' || c > '9' || width > 0 && value == 0 {
			return netip.Addr{}, false
		}
		value, width = value*10+int(c-'0'), width+1
		if value > 255 {
			return netip.Addr{}, false
		}
	}
	if part != 3 || width == 0 {
		return netip.Addr{}, false
	}
	a[3] = byte(value)
	return netip.AddrFrom4(a), true
}
