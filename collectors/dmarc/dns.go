package dmarc

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	reports "github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// DNSConfig configures a DNS. Its zero value works.
type DNSConfig struct {
	// Timeout bounds the lookup of one domain; 0 means 10 seconds.
	Timeout time.Duration
	// Every is how often Run looks up all domains; 0 means an hour.
	Every time.Duration
}

// DNS exposes the policy records that domains publish. A scrape shows what the
// last lookup found and asks nobody. It is safe for concurrent use.
type DNS struct {
	began   time.Time
	table   *collect.Table[*DNS]
	changed chan struct{} // holds one when Run is to begin anew

	mu       sync.Mutex // guards what follows
	resolver reports.Resolver
	config   DNSConfig
	domains  []*publication // sorted by name; never changed in place
	changes  int            // calls of Change
}

// publication is what is known of the record of a domain.
type publication struct {
	domain  string
	seen    bool // any lookup was answered
	text    string
	record  *reports.PolicyRecord // nil when there is none that is valid
	changes uint64
	lookups map[lookup]uint64
	success time.Time
}

// lookup is the result of one.
type lookup string

const (
	lookupFound   lookup = "found"
	lookupAbsent  lookup = "absent"
	lookupInvalid lookup = "invalid" // no policy in it, or several records
	lookupFailed  lookup = "failed"  // no answer: nothing is known
)

// dnsRows are the metrics of a DNS, whose lock is held.
func dnsRows() []collect.Row[*DNS] {
	each := func(add func(d *DNS, p *publication, to collect.Series)) func(*DNS, collect.Series) {
		return func(d *DNS, to collect.Series) {
			for _, p := range d.domains {
				add(d, p, to)
			}
		}
	}
	return []collect.Row[*DNS]{
		collect.Gauge(
			"dmarc_dns_policy_info",
			"Policy that a domain publishes in the DNS as far as the last answer said, as labels; absent tags are empty.",
			each(func(_ *DNS, p *publication, to collect.Series) {
				if r := p.record; r != nil {
					to.Value(1, p.domain, string(r.P), string(r.SP), string(r.NP), string(r.ADKIM), string(r.ASPF), r.Testing)
				}
			}), "domain", "p", "sp", "np", "adkim", "aspf", "testing",
		),
		collect.Counter(
			"dmarc_dns_policy_changes_total",
			"Times that the record of a domain was another one than before, gone or new, since the start of the exporter.",
			each(func(d *DNS, p *publication, to collect.Series) { to.Since(float64(p.changes), d.began, p.domain) }), "domain",
		),
		collect.Counter(
			"dmarc_dns_lookups_total",
			"Lookups of the record of a domain by result; failed ones say nothing about the record.",
			each(func(d *DNS, p *publication, to collect.Series) {
				for _, result := range []lookup{lookupFound, lookupAbsent, lookupInvalid, lookupFailed} {
					to.Since(float64(p.lookups[result]), d.began, p.domain, string(result))
				}
			}), "domain", "result",
		),
		collect.Gauge(
			"dmarc_dns_last_success_timestamp_seconds",
			"When a lookup of the record of a domain was last answered, be it that there is none; 0 when none ever was.",
			each(func(_ *DNS, p *publication, to collect.Series) { timestamp(to, p.success, p.domain) }), "domain",
		),
	}
}

// NewDNS returns a DNS about domains, which are A-labels. Any *net.Resolver is a resolver.
func NewDNS(resolver reports.Resolver, domains []string, c DNSConfig) *DNS {
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Every <= 0 {
		c.Every = time.Hour
	}
	d := &DNS{resolver: resolver, config: c, began: time.Now(), changed: make(chan struct{}, 1), table: collect.NewTable(dnsRows(), nil)}
	for _, name := range domains {
		name = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(name)), ".")
		if name != "" && !slices.ContainsFunc(d.domains, func(p *publication) bool { return p.domain == name }) {
			d.domains = append(d.domains, &publication{domain: name, lookups: map[lookup]uint64{}})
		}
	}
	slices.SortFunc(d.domains, func(a, b *publication) int { return strings.Compare(a.domain, b.domain) })
	return d
}

// Change makes d look up what another DNS, which is not used, would: its domains,
// with its resolver and its configuration, at once if Run is running. What is known
// of domains that stay is kept.
func (d *DNS) Change(to *DNS) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := map[string]*publication{}
	for _, p := range d.domains {
		known[p.domain] = p
	}
	domains := slices.Clone(to.domains)
	for i, p := range domains {
		domains[i] = cmp.Or(known[p.domain], p)
	}
	d.resolver, d.config, d.domains = to.resolver, to.config, domains
	d.changes++
	select {
	case d.changed <- struct{}{}:
	default: // Run has yet to notice the last change.
	}
}

// Watches reports whether there is any domain to look up.
func (d *DNS) Watches() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.domains) > 0
}

// Run looks up all domains now and again and again until ctx ends.
func (d *DNS) Run(ctx context.Context) {
	for {
		d.Lookup(ctx)
		d.mu.Lock()
		pause := time.NewTimer(d.config.Every)
		d.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-pause.C:
		case <-d.changed:
		}
		pause.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// Lookup looks up all domains, one after the other, unless they change meanwhile.
func (d *DNS) Lookup(ctx context.Context) {
	d.mu.Lock()
	resolver, timeout, domains, changes := d.resolver, d.config.Timeout, d.domains, d.changes
	d.mu.Unlock()
	for _, p := range domains {
		limited, cancel := context.WithTimeout(ctx, timeout)
		// The dot at the end keeps the search list of the system out of it.
		texts, err := resolver.LookupTXT(limited, "_dmarc."+p.domain+".")
		cancel()
		if ctx.Err() != nil {
			return
		}
		d.mu.Lock()
		same := d.changes == changes
		if same {
			p.answered(texts, err, time.Now())
		}
		d.mu.Unlock()
		if !same {
			return
		}
	}
}

// answered takes down an answer.
func (p *publication) answered(texts []string, err error, now time.Time) {
	var dns *net.DNSError
	if err != nil && (!errors.As(err, &dns) || !dns.IsNotFound) {
		p.lookups[lookupFailed]++
		return
	}
	var published []string
	for _, text := range texts {
		if _, _, err := reports.ParseRecord(text); !errors.Is(err, reports.ErrNotDMARC) {
			published = append(published, text)
		}
	}
	slices.Sort(published) // servers turn them around
	text, result := strings.Join(published, "\x00"), lookupInvalid
	var record *reports.PolicyRecord
	switch len(published) {
	case 0:
		result = lookupAbsent
	case 1:
		if record, _, err = reports.ParseRecord(published[0]); err == nil {
			result = lookupFound
		}
	}
	if p.seen && text != p.text {
		p.changes++
	}
	p.seen, p.text, p.record, p.success = true, text, record, now
	p.lookups[result]++
}

// Describe sends the descriptors of every metric.
func (d *DNS) Describe(ch chan<- *prometheus.Desc) { d.table.Describe(ch) }

// Collect sends what is known. It does no I/O.
func (d *DNS) Collect(ch chan<- prometheus.Metric) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.table.Collect(d, ch)
}

// CollectContext is Collect: nothing in it waits.
func (d *DNS) CollectContext(_ context.Context, ch chan<- prometheus.Metric) { d.Collect(ch) }
