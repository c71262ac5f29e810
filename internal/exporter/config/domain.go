package config

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/dmarc-suite/dmarc-suite/dmarc/i18n"
)

// Domain is the name of a mail domain, in lower case and with A-labels
// (xn--…), as reports have it.
type Domain string

// AllDomains stands for all domains, where they can be named as a whole.
const AllDomains = "*"

// ParseDomain reads a domain. U-labels are converted. Its errors name what is
// no domain and say what was probably meant.
func ParseDomain(text string) (Domain, error) {
	domain, err := i18n.Host(strings.TrimSuffix(text, "."))
	wrong := func(format string, args ...any) (Domain, error) {
		return "", fmt.Errorf("%q is not a domain: %s", text, fmt.Sprintf(format, args...))
	}
	_, ip := netip.ParseAddr(text)
	switch {
	case strings.Trim(text, ".") == "":
		return wrong("it is empty")
	case strings.ContainsAny(text, " \t\r\n"):
		return wrong("it has a space in it")
	case strings.Contains(text, "://"), strings.Contains(text, "/"):
		return wrong("write it without scheme and path, such as example.com")
	case strings.Contains(text, "@"):
		return wrong("write what follows the @ of the address, such as example.com")
	case strings.HasPrefix(text, "*."), strings.HasPrefix(text, "."):
		return wrong("subdomains belong to a domain without being named, write %s", strings.TrimLeft(text, "*."))
	case ip == nil:
		return wrong("it is an address")
	case err != nil || !isHostname(domain):
		return wrong("a domain has labels of letters, digits and hyphens with dots between them, such as example.com")
	case !strings.Contains(domain, "."):
		return wrong("it has no dot, such as example.com has")
	}
	return Domain(domain), nil
}

// SpellDomain spells a domain that is asked about as reports have it, as far as
// it has U-labels. What is no domain stays as it is: reports may have it, too.
func SpellDomain(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		if host, err := i18n.Host(text); err == nil {
			return host
		}
	}
	return text
}

// isHostname reports whether a name has the form of one in the DNS. The
// underscore is no letter of host names, but of domains that some own.
func isHostname(name string) bool {
	const longest, longestLabel = 253, 63
	if len(name) > longest {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > longestLabel || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return true
}

// UnmarshalText reads a domain.
func (d *Domain) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDomain(string(text))
	return err
}

// Domains are the values of a flag that may be repeated. They implement kingpin.Value.
type Domains []Domain

// Set adds a domain.
func (d *Domains) Set(text string) error {
	one, err := ParseDomain(text)
	if err == nil {
		*d = append(*d, one)
	}
	return err
}

// String lists the domains.
func (d *Domains) String() string { return strings.Join(d.Strings(), ",") }

// Strings returns the domains as texts.
func (d *Domains) Strings() []string {
	all := make([]string, len(*d))
	for i, one := range *d {
		all[i] = string(one)
	}
	return all
}

// IsCumulative lets kingpin take the flag more than once.
func (d *Domains) IsCumulative() bool { return true }
