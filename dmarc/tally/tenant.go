package tally

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Tenant has a part of the budget of its own: what reports about its domains say
// makes no series that others have room for, and the other way round.
type Tenant struct {
	// Name tells tenants apart. It is a label.
	Name string
	// Domains are ours, in addition to Config.Domains. A report is the tenant's
	// when its policy domain is one of them, or below one and below none of another tenant
	// that is closer.
	Domains []string
	// Series is how many series there may be for the reporters and sources that
	// these reports name. Those of all tenants come out of Config.Budget.
	Series int
}

// TenantSeries is how much of its part of the budget a tenant uses.
type TenantSeries struct {
	Name string
	// Used is how many series there are because of its reports. One that reports
	// to several tenants have in common counts for each.
	Used int
	// Budget is how many there may be.
	Budget int
}

// TenantError is why tenants cannot be told apart or have no room.
type TenantError struct {
	// Tenant is the place of the tenant in the list, and Field what of it is
	// wrong: name, domains or series.
	Tenant int
	Field  string
	Err    error
}

// Error names the tenant by its place.
func (e *TenantError) Error() string {
	return fmt.Sprintf("tenant %d: %s: %v", e.Tenant+1, e.Field, e.Err)
}

// Unwrap returns the mistake.
func (e *TenantError) Unwrap() error { return e.Err }

// CheckTenants returns a *TenantError for tenants that have no name or the name of
// another one, that have a domain in common, or that have no series. With a budget, as in
// Config, it also finds that all together have more than there is.
func CheckTenants(tenants []Tenant, budget int) error {
	names, owners, sum := map[string]bool{}, map[string]string{}, 0
	for i, t := range tenants {
		wrong := func(field, format string, args ...any) error {
			return &TenantError{i, field, fmt.Errorf(format, args...)}
		}
		switch sum += t.Series; {
		case t.Name == "":
			return &TenantError{i, "name", errors.New("is missing")}
		case t.Name != clean(t.Name) || strings.Contains(t.Name, " "):
			return wrong("name", "%q has spaces or is too long: it becomes a label", t.Name)
		case names[t.Name]:
			return wrong("name", "%q is the name of another tenant", t.Name)
		case len(t.Domains) == 0:
			return &TenantError{i, "domains", errors.New("is missing")}
		case t.Series <= 0:
			return wrong("series", "must be more than 0")
		case budget > 0 && sum > free(budget):
			return wrong("series", "tenants have %d series together, and a budget of %d has %d for them", sum, budget, free(budget))
		}
		names[t.Name] = true
		for domain := range ownDomains(t.Domains) {
			if owner, ok := owners[domain]; ok {
				return wrong("domains", "%s is a domain of %s as well", domain, owner)
			}
			owners[domain] = t.Name
		}
	}
	return nil
}

// share is a part of the budget of series, which one kind of label may spend: for
// the domains of a tenant, or for those that have none.
type share struct {
	tenant string
	pool   pool
}

// label returns how the share is kept.
func (s share) label() string { return strings.Join(s.labels(), " ") }

// labels returns the labels that begin those of evidence, or of a row of a name.
func (s share) labels() []string {
	if s.tenant == "" {
		return []string{s.pool.label()}
	}
	return []string{s.pool.label(), s.tenant}
}

// shareOf returns the share with a label.
func shareOf(label string) (share, bool) {
	pool, tenant, _ := strings.Cut(label, " ")
	p, ok := poolOf(pool)
	return share{tenant, p}, ok
}

// setOwners sets what says whose a domain is.
func (t *Tally) setOwners(domains []string, tenants []Tenant) {
	t.config.Domains, t.config.Tenants = domains, tenants
	t.mine, t.budget = map[string]string{}, newBudget(t.config)
	for domain := range ownDomains(domains) {
		t.mine[domain] = ""
	}
	for _, tenant := range tenants {
		for domain := range ownDomains(tenant.Domains) {
			t.mine[domain] = tenant.Name
		}
	}
}

// isTenant reports whether a tenant is configured, or none is meant.
func (t *Tally) isTenant(name string) bool {
	return name == "" || slices.ContainsFunc(t.config.Tenants, func(one Tenant) bool { return one.Name == name })
}

// tenantOf returns the tenant of reports about a policy domain.
func (t *Tally) tenantOf(policy string) string {
	if len(t.config.Tenants) == 0 {
		return ""
	}
	return t.mine[t.ownDomain(policy, policy)]
}

// ofReporter returns the labels of a series of a reporter. It belongs to the
// tenant that the report is about, when the reporter has a label of its own.
func (d *Delta) ofReporter(reporter string, labels ...string) []string {
	if d.tenant == "" || stands(reporter) {
		return labels
	}
	return append(labels, d.tenant)
}

// plain are how many labels the series of reporters have without a tenant.
var plain = map[Family]int{Reports: 3, ReporterMessages: 1, AuthenticReporterMessages: 1, reporterEndFamily: 1}

// cutTenant returns the labels that are shown, and the tenant of a series of a reporter.
func cutTenant(f Family, labels []string) (shown []string, tenant string) {
	if n := plain[f]; n > 0 && len(labels) > n {
		return labels[:n], labels[n]
	}
	return labels, ""
}

// overflow notes that there is no room for a name or a series.
func (d *Delta) overflow(s share) {
	d.increase(1, Overflow, s.pool.label())
	if s.tenant != "" {
		d.increase(1, TenantOverflow, s.tenant, s.pool.label())
	}
}

// heir finds the series of another tenant that is shown under the same labels. It
// takes over what was counted, so that what is shown does not fall.
func (d *Delta) heir(f Family, labels []string) bool {
	shown, tenant := cutTenant(f, labels)
	if plain[f] == 0 {
		return false
	}
	others := []string{""}
	for _, t := range d.t.config.Tenants {
		others = append(others, t.Name)
	}
	for _, other := range others {
		if other == tenant {
			continue
		}
		to := slices.Clone(shown)
		if other != "" {
			to = append(to, other)
		}
		_, label, _ := labelOf(f, to)
		if n := (name{share{other, poolReporter}, label}); d.sums.find(f, to...) && !d.evidence(n).gone {
			return d.sums.find(f, to...)
		}
	}
	return false
}

// dropTenants folds the names of tenants that are not configured any more, when
// they have been gone for as long as a name that nobody uses.
func (d *Delta) dropTenants() {
	var gone []name
	d.names.each(func(n name, _ bool) {
		if e := d.evidence(n); !d.t.isTenant(n.tenant) && !e.gone && e.last+idle < DayOf(d.now) {
			gone = append(gone, n)
		}
	})
	for _, n := range gone {
		d.giveUp(n, d.evidence(n))
	}
}

// tenants returns what tenants use.
func (t *Tally) tenants() (all []TenantSeries) {
	for _, tenant := range t.config.Tenants {
		one := TenantSeries{Name: tenant.Name}
		for p := range pools {
			one.Used += t.state.used[share{tenant.Name, p}]
			one.Budget += t.budget[share{tenant.Name, p}]
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b TenantSeries) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// parts are the places of series in a Snapshot to which several tenants add; nil
// when no tenant ever had a name.
type parts map[SeriesKey]int

func (s *state) parts() parts {
	for n := range s.names {
		if n.tenant != "" {
			return parts{}
		}
	}
	return nil
}

// add adds a series to a Snapshot, where those of all tenants are one.
func (p parts) add(s *Snapshot, f Family, one Series) {
	if p != nil && plain[f] > 0 {
		one.Labels, _ = cutTenant(f, one.Labels)
		k := KeyOf(f, one.Labels...)
		if i, known := p[k]; known {
			all := &s.Series[f][i]
			all.Value = Add(all.Value, one.Value)
			if one.Created.Before(all.Created) {
				all.Created = one.Created
			}
			return
		}
		p[k] = len(s.Series[f])
	}
	s.Series[f] = append(s.Series[f], one)
}
