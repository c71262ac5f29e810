package dmarc

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Destination is a destination of reports and whether it wants them.
type Destination struct {
	URI ReportURI
	// External is true when the destination belongs to another organization than
	// the policy, so that it has to agree.
	External bool
	// Allowed is true when reports may be sent there: the destination is not
	// external, or it agrees.
	Allowed bool
	// Query is the name that was looked up for its agreement, if one was.
	Query string
	// RUA and RUF are where an external destination wants the reports instead;
	// mostly empty. Destinations on other hosts are left out: they must not be used.
	RUA, RUF []ReportURI
	// Err is why the destination could not be checked. It is not allowed then.
	Err error
}

// MaxDestinations is the number of hosts that CheckDestinations asks; a
// record that lists more would make its readers flood the DNS.
const MaxDestinations = 10

// ErrTooManyDestinations is the error of the destinations beyond MaxDestinations.
var ErrTooManyDestinations = errors.New("more destinations than are checked")

// CheckDestinations checks each destination of reports about policyDomain,
// where the policy record was found (RFC 9990, section 4). A destination in
// another organization must publish a record at
// <policyDomain>._report._dmarc.<host>, otherwise it must get no reports.
//
// An error of the resolver about a destination is in its Err; the error that
// is returned is about policyDomain itself.
func CheckDestinations(ctx context.Context, r Resolver, policyDomain string, list []ReportURI) ([]Destination, error) {
	own, err := DiscoverTree(ctx, r, policyDomain)
	if err != nil {
		return nil, err
	}
	checked := map[string]Destination{}
	destinations := make([]Destination, 0, len(list))
	for _, u := range list {
		d, ok := checked[u.Host]
		if !ok {
			if len(checked) < MaxDestinations {
				d = checkHost(ctx, r, own, u.Host)
			} else {
				d = Destination{Err: ErrTooManyDestinations}
			}
			checked[u.Host] = d
		}
		d.URI = u
		destinations = append(destinations, d)
	}
	return destinations, nil
}

// checkHost asks a host whether it wants the reports about own.
func checkHost(ctx context.Context, r Resolver, own *Discovery, host string) Destination {
	if host == own.Domain {
		return Destination{Allowed: true}
	}
	other, err := DiscoverTree(ctx, r, host)
	if err != nil {
		return Destination{Err: err}
	}
	if other.Organizational == own.Organizational {
		return Destination{Allowed: true}
	}
	d := Destination{External: true, Query: own.Domain + "._report._dmarc." + host}
	texts, err := lookupTXT(ctx, r, d.Query)
	if err != nil {
		d.Err = fmt.Errorf("check destination: %w", err)
		return d
	}
	for _, txt := range texts {
		p := recordParser{}
		if !p.parse(txt) {
			continue // any record that starts with v=DMARC1 agrees
		}
		if !d.Allowed {
			elsewhere := func(u ReportURI) bool { return u.Host != host }
			d.RUA = slices.DeleteFunc(p.record.RUA, elsewhere)
			d.RUF = slices.DeleteFunc(p.record.RUF, elsewhere)
		}
		d.Allowed = true
	}
	return d
}
