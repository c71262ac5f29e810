package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// Access says which domains users see, each with its subdomains, or with
// config.AllDomains everything. With a nil one everybody sees everything; otherwise
// whoever is not in it sees nothing.
type Access map[string][]string

// sight is what somebody sees.
type sight struct {
	all     bool
	domains []string
}

// of returns what the user of some names sees.
func (a Access) of(names []string) (s sight) {
	s.all = a == nil
	for _, name := range names {
		s.domains = append(s.domains, a[name]...)
	}
	s.all = s.all || slices.Contains(s.domains, config.AllDomains)
	return s
}

// sight returns what whoever asks sees.
func (p *Pages) sight(r *http.Request) sight {
	var a Access
	if p.config.Access != nil {
		a = p.config.Access()
	}
	if a == nil || p.config.Users == nil {
		return a.of(nil)
	}
	return a.of(p.config.Users(r))
}

// Only reports whether a request comes from a user who sees some domains, and not
// all.
func (p *Pages) Only(r *http.Request) bool {
	s := p.sight(r)
	return s.some()
}

// Only reports whether the user of some names sees some domains, and not all.
func (a Access) Only(names []string) bool {
	s := a.of(names)
	return s.some()
}

func (s *sight) some() bool { return !s.all && len(s.domains) > 0 }

// sees reports whether a domain is seen.
func (s *sight) sees(domain string) bool {
	return s.all || slices.ContainsFunc(s.domains, func(own string) bool { return domain == own || strings.HasSuffix(domain, "."+own) })
}

// forbidden is what somebody may not see.
type forbidden string

// Error returns what it is.
func (e forbidden) Error() string { return string(e) }

// hides returns an error for what is about no domain, unless all domains are seen.
func (s *sight) hides(what string) error {
	if s.all {
		return nil
	}
	return forbidden(fmt.Sprintf("%s can be about any domain: only users who see all domains see them.", what))
}

// view opens the database for what is seen.
func (s *sight) view(ctx context.Context, engine store.Engine) (*store.View, error) {
	if !s.all && len(s.domains) == 0 {
		return nil, forbidden("The access of the configuration gives this user no domain.")
	}
	v, err := engine.View(ctx)
	if err != nil || s.all {
		return v, err
	}
	only, err := v.Only(ctx, s.domains)
	if err != nil {
		_ = v.Close() // The other error says more.
	}
	return only, err
}
