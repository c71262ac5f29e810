// Package sender names those who send messages: by the networks that the
// operator names, by what the messages were authenticated for, and by what is
// known of their addresses.
package sender

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/net/publicsuffix"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// Config configures Names. Its zero value works.
type Config struct {
	// Networks are those that the operator names; they win over everything else.
	Networks []Network
	// Database knows autonomous systems and countries; nil knows none.
	Database *Database
	// Hosts knows the names of addresses; nil knows none.
	Hosts *Hosts
}

// Names names senders. It is safe for concurrent use.
type Names struct {
	config     Config
	own, known networks
	domains    sync.Map // of authenticated domains: what they stand for
	remembered atomic.Int64
}

// New returns Names.
func New(c Config) (*Names, error) {
	known, err := newNetworks(parseNetworks(knownNetworks))
	if err != nil {
		return nil, fmt.Errorf("well-known senders: %w", err)
	}
	n := &Names{config: c, known: known}
	if n.own, err = newNetworks(c.Networks); err != nil {
		return nil, err
	}
	return n, nil
}

// network returns the names of the networks of an address: that of the operator,
// and that of a well-known one.
func (n *Names) network(a netip.Addr) (own, known string) {
	a = a.Unmap().WithZone("")
	return n.own.find(a), n.known.find(a)
}

// Of returns what is known of who sent the messages of a record.
func (n *Names) Of(rec *dmarc.Record) store.Sender {
	var s store.Sender
	s.Network, s.Guess = n.network(rec.SourceIP)
	s.Authenticated = n.Authenticated(rec)
	if rec.SourceIP.IsValid() {
		s.ASN, s.ASName, s.Country = n.config.Database.Lookup(rec.SourceIP)
		if s.Network == "" && s.Guess == "" && s.Authenticated == "" {
			n.config.Hosts.Want(rec.SourceIP)
		}
	}
	return s
}

// Authenticated returns who the messages of a record were authenticated for,
// unless it is their own domain: a service, or else an organizational domain.
// What has no name is empty.
func (n *Names) Authenticated(rec *dmarc.Record) string {
	service, org := n.authenticated(rec)
	return cmp.Or(service, org)
}

// authenticated returns the service that messages were authenticated for, of DKIM
// rather than of SPF, and the first domain that is no service.
func (n *Names) authenticated(rec *dmarc.Record) (service, org string) {
	own := ""
	visit := func(domain string) bool {
		d := n.domain(domain)
		if own == "" {
			own = cmp.Or(n.domain(rec.HeaderFrom).org, "-")
		}
		switch {
		case d.org == own || d.org == "":
		case d.service != "":
			service = d.service
		case org == "":
			org = d.org
		}
		return service != ""
	}
	for i := range rec.AuthDKIM {
		if rec.AuthDKIM[i].Result == dmarc.AuthResultPass && visit(rec.AuthDKIM[i].Domain) {
			return service, org
		}
	}
	for i := range rec.AuthSPF {
		if rec.AuthSPF[i].Result == dmarc.AuthResultPass && visit(rec.AuthSPF[i].Domain) {
			return service, org
		}
	}
	return "", org
}

// Label returns the name of the sender of a record as a label, from sets that are
// closed or that the operator chose: reports can name any domain they like, and
// so those that are in no list are tally.Other.
func (n *Names) Label(rec *dmarc.Record) string {
	own, known := n.network(rec.SourceIP)
	if own != "" {
		return own
	}
	service, org := n.authenticated(rec)
	if name := cmp.Or(service, known); name != "" {
		return name
	}
	if rec.SourceIP.IsValid() {
		if name := n.config.Hosts.Service(rec.SourceIP); name != "" {
			return name
		}
		if _, name, _ := n.config.Database.Lookup(rec.SourceIP); name != "" {
			return name
		}
	}
	switch {
	case org != "" || !rec.SourceIP.IsValid():
		return tally.Other
	case rec.Aligned() || passes(rec):
		return store.SenderOwn
	}
	return store.SenderUnauthenticated
}

// passes reports whether anything passed.
func passes(rec *dmarc.Record) bool { return tally.ClassOf(rec) == tally.ClassUnaligned }

// domainName is what a domain stands for.
type domainName struct{ org, service string }

// maxRemembered bounds the domains that are remembered.
const maxRemembered = 50_000

func (n *Names) domain(domain string) domainName {
	if d, ok := n.domains.Load(domain); ok {
		return d.(domainName)
	}
	d := lookUp(domain)
	if n.remembered.Add(1) < maxRemembered {
		n.domains.Store(strings.Clone(domain), d)
	}
	return d
}

// lookUp finds a domain, or the closest one above it that is a service.
func lookUp(domain string) domainName {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		org = "" // It is no domain that somebody owns.
	}
	known := services()
	for name := domain; name != ""; _, name, _ = strings.Cut(name, ".") {
		if service := known[name]; service != "" {
			return domainName{cmp.Or(org, name), service}
		}
	}
	return domainName{org: org}
}
