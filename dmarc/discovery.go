package dmarc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/dmarc/internal/text"
)

// A Resolver looks up TXT records. *net.Resolver is one: each string is a
// whole record. No records is either no error and an empty list, or a
// *net.DNSError with IsNotFound; any other error ends a discovery, because
// a record that was not seen may be there.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Discovery is the policy that applies to a domain.
type Discovery struct {
	// Domain is the domain that was asked about, lower case without a trailing dot.
	Domain string
	// Organizational is its Organizational Domain.
	Organizational string
	// Record is the policy record that applies; nil when there is none.
	Record *PolicyRecord
	// RecordDomain is where Record was found: Domain or above.
	RecordDomain string
	// Warnings are those of Record.
	Warnings []Warning
	// Queries are the names that were looked up, in order.
	Queries []string
}

// Requested returns what the domain owner wants done with a message that fails
// and has d.Domain in its From field; exists is true when this domain exists in
// the DNS. It is DispositionAbsent when there is no record.
func (d *Discovery) Requested(exists bool) Disposition {
	if d.Record == nil {
		return DispositionAbsent
	}
	return d.Record.Requested(d.RecordDomain != d.Domain, exists)
}

// DiscoverTree discovers the policy of a domain by asking for it and the domains
// above it, at most eight times (RFC 9989, section 4.10). Internationalised
// names must be given as A-labels.
func DiscoverTree(ctx context.Context, r Resolver, domain string) (*Discovery, error) {
	return (&walker{resolver: r}).tree(ctx, domain)
}

func (w *walker) tree(ctx context.Context, domain string) (*Discovery, error) {
	d, err := newDiscovery(domain)
	if err != nil {
		return nil, err
	}
	var found []walkedRecord
	void := false
	for name := d.Domain; name != ""; name = nextTarget(name) {
		f, err := w.lookup(ctx, d, name)
		if err != nil {
			return nil, err
		}
		if f.record == nil {
			void = void || f.void && name == d.Domain
			continue
		}
		found = append(found, f)
		if f.record.PSD == "y" || f.record.PSD == "n" {
			break
		}
	}
	d.Organizational = organizational(d.Domain, found)
	if void {
		return d, nil // RFC 9989, section 4.10.1: no DMARC processing.
	}
	// The author's own record applies, else that of the Organizational Domain,
	// else that of the public suffix above it.
	for _, name := range []string{d.Domain, d.Organizational} {
		for _, f := range found {
			if f.domain == name && d.Record == nil {
				d.apply(f)
			}
		}
	}
	if n := len(found); n > 0 && d.Record == nil && found[n-1].record.PSD == "y" {
		d.apply(found[n-1])
	}
	return d, nil
}

// DiscoverPSL discovers the policy of a domain by asking for it and for its
// Organizational Domain, which is one label below the public suffix (RFC 7489,
// section 6.6.3). suffix returns the public suffix of a domain, such as
// co.uk for a.example.co.uk, or "" for a suffix of one label; the function of
// golang.org/x/net/publicsuffix fits.
func DiscoverPSL(ctx context.Context, r Resolver, domain string, suffix func(domain string) string) (*Discovery, error) {
	return (&walker{resolver: r}).psl(ctx, domain, suffix)
}

func (w *walker) psl(ctx context.Context, domain string, suffix func(domain string) string) (*Discovery, error) {
	d, err := newDiscovery(domain)
	if err != nil {
		return nil, err
	}
	d.Organizational = belowSuffix(d.Domain, suffix(d.Domain))
	for _, name := range []string{d.Domain, d.Organizational} {
		if d.Record != nil {
			break
		}
		f, err := w.lookup(ctx, d, name)
		if err != nil {
			return nil, err
		}
		if f.void {
			break // RFC 7489, section 6.6.3: no DMARC processing.
		}
		if f.record != nil {
			d.apply(f)
		}
	}
	return d, nil
}

func newDiscovery(domain string) (*Discovery, error) {
	name, form := text.Host(domain)
	ascii := strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 }) < 0
	if form == text.HostInvalid || !ascii {
		return nil, fmt.Errorf("discover policy: %q is no domain name", text.Cut(domain, 64))
	}
	return &Discovery{Domain: name}, nil
}

// walkedRecord is the one valid record of a domain.
type walkedRecord struct {
	domain   string
	record   *PolicyRecord
	warnings []Warning
	void     bool  // It has one that asks for nothing.
	err      error // Nothing else is known then.
}

func (d *Discovery) apply(f walkedRecord) {
	d.Record, d.RecordDomain, d.Warnings = f.record, f.domain, f.warnings
}

// walker looks up the records of domains, each once.
type walker struct {
	resolver Resolver
	known    []walkedRecord
}

// lookup returns the record of a domain, for a discovery. Several DMARC records
// at one name are as good as none.
func (w *walker) lookup(ctx context.Context, d *Discovery, domain string) (walkedRecord, error) {
	for i := range w.known {
		if w.known[i].domain == domain {
			return w.known[i], w.known[i].err
		}
	}
	name := "_dmarc." + domain
	d.Queries = append(d.Queries, name)
	f := w.ask(ctx, name)
	f.domain = domain
	w.known = append(w.known, f)
	return f, f.err
}

func (w *walker) ask(ctx context.Context, name string) walkedRecord {
	texts, err := lookupTXT(ctx, w.resolver, name)
	if err != nil {
		return walkedRecord{err: fmt.Errorf("discover policy: %w", err)}
	}
	var f walkedRecord
	records := 0
	for _, txt := range texts {
		record, warnings, err := ParseRecord(txt)
		if errors.Is(err, ErrNotDMARC) {
			continue
		}
		records++
		f.record, f.warnings, f.void = record, warnings, err != nil
	}
	if records != 1 {
		f.record, f.warnings, f.void = nil, nil, false
	}
	return f
}

func lookupTXT(ctx context.Context, r Resolver, name string) ([]string, error) {
	texts, err := r.LookupTXT(ctx, name)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return texts, nil
}

// nextTarget returns the next domain of a tree walk: one label less, but at
// most seven labels.
func nextTarget(domain string) string {
	const most = 7
	labels := strings.Split(domain, ".")
	return strings.Join(labels[max(1, len(labels)-most):], ".")
}

// organizational selects the Organizational Domain from the records of a tree
// walk, which come from the longest name to the shortest (RFC 9989, section 4.10.2).
func organizational(domain string, found []walkedRecord) string {
	for _, f := range found {
		if f.record.PSD == "n" {
			return f.domain
		}
		if f.record.PSD == "y" && f.domain != domain {
			return belowSuffix(domain, f.domain)
		}
	}
	if n := len(found); n > 0 {
		return found[n-1].domain
	}
	return domain
}

// belowSuffix returns the part of domain that is one label longer than suffix.
// An empty suffix stands for the last label.
func belowSuffix(domain, suffix string) string {
	if domain == suffix {
		return domain
	}
	rest, ok := strings.CutSuffix(domain, "."+suffix)
	if suffix == "" || !ok {
		i := strings.LastIndexByte(domain, '.')
		if i < 0 {
			return domain
		}
		rest, suffix = domain[:i], domain[i+1:]
	}
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix
}
