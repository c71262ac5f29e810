package sender

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
)

// Resolver asks DNS; *net.Resolver is one.
type Resolver interface {
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Lookups says how the names of addresses are looked up.
type Lookups struct {
	Resolver Resolver
	// Map names senders by the organizational domain of a host; nil names those
	// that are known as services.
	Map map[string]string
	// Timeout bounds a lookup; 0 means 5 seconds.
	Timeout time.Duration
	// Interval is between lookups; 0 means 100 milliseconds.
	Interval time.Duration

	mapped map[string]bool // the names of Map
}

// Hosts finds out the names of addresses, a few at a time, while it runs. It is
// safe for concurrent use; a nil one knows nothing.
type Hosts struct {
	keep    func(ctx context.Context, hosts []store.Host) error
	lookups atomic.Pointer[Lookups]
	wanted  chan netip.Addr

	mu    sync.RWMutex // guards what follows
	known map[netip.Addr]store.Host
}

// The bounds of what waits and of what is remembered, and how long a name holds.
const (
	maxWanted   = 1000
	maxHosts    = 50_000
	hostsHold   = 30 * 24 * time.Hour
	hostsAtOnce = 50 // are kept in one transaction
)

// OpenHosts returns Hosts that know what a store keeps, and keep there what they
// find out. They look up nothing until they may Use something.
func OpenHosts(ctx context.Context, s *store.Store) (*Hosts, error) {
	known, err := s.Hosts(ctx, time.Now().Add(-hostsHold), maxHosts)
	if err != nil {
		return nil, err
	}
	return NewHosts(known, s.PutHosts), nil
}

// NewHosts is OpenHosts for what was found out before, and what keeps what is found out.
func NewHosts(known []store.Host, keep func(ctx context.Context, hosts []store.Host) error) *Hosts {
	h := &Hosts{keep: keep, wanted: make(chan netip.Addr, maxWanted), known: map[netip.Addr]store.Host{}}
	for _, host := range known {
		h.remember(host)
	}
	return h
}

// Use changes how names are looked up from now on; nil ends it, and with it the
// use of what is known.
func (h *Hosts) Use(l *Lookups) {
	if l != nil {
		one := *l
		one.Timeout, one.Interval = cmp.Or(l.Timeout, 5*time.Second), cmp.Or(l.Interval, 100*time.Millisecond)
		one.mapped = map[string]bool{}
		for _, name := range l.Map {
			one.mapped[name] = true
		}
		l = &one
	}
	h.lookups.Store(l)
}

// Active reports whether names are looked up.
func (h *Hosts) Active() bool { return h.lookups.Load() != nil }

func (h *Hosts) remember(host store.Host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) >= maxHosts {
		clear(h.known)
	}
	h.known[host.Address] = host
}

// Want asks for the name of an address. It never waits: when there is much to
// look up, the address is asked for with its next report.
func (h *Hosts) Want(a netip.Addr) {
	if h == nil || !h.Active() {
		return
	}
	a = a.Unmap().WithZone("")
	if h.fresh(a) {
		return
	}
	select {
	case h.wanted <- a:
	default:
	}
}

// Service returns the sender that the name of an address belongs to, if it is one
// of the map or of the services.
func (h *Hosts) Service(a netip.Addr) string {
	if h == nil {
		return ""
	}
	l := h.lookups.Load()
	if l == nil {
		return ""
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	host := h.known[a.Unmap().WithZone("")]
	if strings.Contains(host.Sender, ".") && !l.mapped[host.Sender] {
		return "" // a domain that anybody may have
	}
	return host.Sender
}

// Run looks up names until ctx ends. What cannot be kept is looked up again after
// the next start: the store says itself what is wrong with it.
func (h *Hosts) Run(ctx context.Context) {
	var found []store.Host
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-h.wanted:
			if l := h.lookups.Load(); l != nil && !h.fresh(a) {
				host := l.lookUp(ctx, a)
				if ctx.Err() != nil {
					return
				}
				h.remember(host)
				found = append(found, host)
				select {
				case <-ctx.Done():
				case <-time.After(l.Interval):
				}
			}
			if n := len(found); n >= hostsAtOnce || n > 0 && len(h.wanted) == 0 {
				_ = h.keep(ctx, found)
				found = nil
			}
		}
	}
}

// fresh reports whether an address need not be looked up.
func (h *Hosts) fresh(a netip.Addr) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	host, ok := h.known[a]
	return ok && time.Since(host.LookedUp) < hostsHold
}

// lookUp finds the name of an address. Whoever has an address may give it any
// name: only one that leads back to it counts.
func (l *Lookups) lookUp(ctx context.Context, a netip.Addr) store.Host {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	host := store.Host{Address: a, LookedUp: time.Now()}
	names, err := l.Resolver.LookupAddr(ctx, a.String())
	if err != nil {
		var dns *net.DNSError
		if !errors.As(err, &dns) || !dns.IsNotFound {
			host.LookedUp = host.LookedUp.Add(time.Hour - hostsHold) // again in an hour
		}
		return host
	}
	const mostNames = 3
	for _, name := range names[:min(len(names), mostNames)] {
		back, err := l.Resolver.LookupNetIP(ctx, "ip", name)
		if err == nil && slices.ContainsFunc(back, func(b netip.Addr) bool { return b.Unmap() == a }) {
			host.Host = strings.ToLower(strings.TrimSuffix(name, "."))
			host.Sender = l.name(host.Host)
			return host
		}
	}
	return host
}

// name returns the sender that a host belongs to.
func (l *Lookups) name(host string) string {
	for name := host; name != ""; _, name, _ = strings.Cut(name, ".") {
		if sender := cmp.Or(l.Map[name], services()[name]); sender != "" {
			return sender
		}
	}
	org, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return ""
	}
	return org
}

// ReadMap reads a file that names senders by the organizational domains of hosts,
// with the columns base_reverse_dns and name, and others that do not matter: the
// form of parsedmarc.
func ReadMap(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all, err := readMap(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

func readMap(r io.Reader) (map[string]string, error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord = -1
	header, err := in.Read()
	if err != nil {
		return nil, err
	}
	for i := range header {
		header[i] = strings.TrimSpace(strings.TrimPrefix(header[i], "\ufeff"))
	}
	domain, name := slices.Index(header, "base_reverse_dns"), slices.Index(header, "name")
	if domain < 0 || name < 0 {
		return nil, errors.New("line 1: want the columns base_reverse_dns,name,type")
	}
	all := map[string]string{}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := in.FieldPos(0)
		if len(row) <= max(domain, name) {
			return nil, fmt.Errorf("line %d: %d columns", line, len(row))
		}
		if err := checkName(row[name]); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		all[strings.ToLower(strings.TrimSpace(row[domain]))] = row[name]
	}
}
