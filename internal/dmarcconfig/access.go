package dmarcconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// Access says who may see which domains on the pages. Without it everybody sees
// all of them.
type Access []Viewer

// Viewer is a user of the pages.
type Viewer struct {
	User    string          `yaml:"user"`
	Domains []visibleDomain `yaml:"domains"`
}

// visibleDomain is a domain with its subdomains, or "*" for all domains.
type visibleDomain string

// UnmarshalText reads a domain.
func (d *visibleDomain) UnmarshalText(text []byte) error {
	if string(text) == config.AllDomains {
		*d = config.AllDomains
		return nil
	}
	domain, err := config.ParseDomain(string(text))
	*d = visibleDomain(domain)
	return err
}

// Check finds what is missing.
func (v *Viewer) Check() error {
	switch {
	case v.User == "":
		return config.At("user", errMissing)
	case len(v.Domains) == 0:
		return config.At("domains", errMissing)
	}
	for i, d := range v.Domains {
		if d == "" {
			return config.At(fmt.Sprintf("domains[%d]", i), errMissing)
		}
	}
	return nil
}

// Check finds a list without users.
func (a *Access) Check() error {
	if len(*a) == 0 {
		return errors.New("names no user, so that nobody would see the pages: name users, or use --no-web.pages")
	}
	return nil
}

// check finds users that are named twice, and domains that are not those of the file.
func (a Access) check(own config.Domains) error {
	for i, v := range a {
		if slices.IndexFunc(a, func(other Viewer) bool { return other.User == v.User }) < i {
			return config.At(fmt.Sprintf("access[%d].user", i), fmt.Errorf("%q is named twice: give all domains in one place", v.User))
		}
		for j, d := range v.Domains {
			if len(own) > 0 && d != config.AllDomains && !slices.ContainsFunc(own, d.overlaps) {
				return config.At(fmt.Sprintf("access[%d].domains[%d]", i, j), fmt.Errorf("%s is not among domains, nor a subdomain of one", d))
			}
		}
	}
	return nil
}

// overlaps reports whether one of two domains is the other or a subdomain of it.
func (d visibleDomain) overlaps(own config.Domain) bool {
	one, other := "."+string(d), "."+string(own)
	return strings.HasSuffix(one, other) || strings.HasSuffix(other, one)
}

// Viewers returns who sees which domains, nil if everybody sees all. known says why
// nobody can be a user.
func (c *File) Viewers(known func(user string) error) (map[string][]string, error) {
	if c.Access == nil {
		return nil, nil
	}
	all := map[string][]string{}
	for i, v := range c.Access {
		if err := known(v.User); err != nil {
			return nil, c.Sources.file.Wrap(fmt.Sprintf("access[%d].user", i), err)
		}
		for _, d := range v.Domains {
			all[v.User] = append(all[v.User], string(d))
		}
	}
	return all, nil
}
