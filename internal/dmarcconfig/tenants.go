package dmarcconfig

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/config"
)

// Tenant has a part of the budget of series of its own.
type Tenant struct {
	Name    string         `yaml:"name"`
	Domains config.Domains `yaml:"domains"`
	Series  int            `yaml:"series"`
}

// Tenants have parts of the budget of series.
type Tenants []Tenant

// Check finds tenants that cannot be told apart.
func (l *Tenants) Check() error {
	err := tally.CheckTenants(l.Counts(), 0)
	if e, ok := errors.AsType[*tally.TenantError](err); ok {
		return config.At(fmt.Sprintf("[%d].%s", e.Tenant, e.Field), e.Err)
	}
	return err
}

// Counts returns them as what counts reports knows them.
func (l *Tenants) Counts() []tally.Tenant {
	var all []tally.Tenant
	for _, t := range *l {
		all = append(all, tally.Tenant{Name: t.Name, Domains: t.Domains.Strings(), Series: t.Series})
	}
	return all
}

// CheckBudget finds tenants that have more than a budget of series has for them.
func (c *File) CheckBudget(series int) error {
	if e, ok := errors.AsType[*tally.TenantError](tally.CheckTenants(c.Tenants.Counts(), series)); ok {
		return c.Sources.file.Wrap(fmt.Sprintf("tenants[%d].%s", e.Tenant, e.Field), e.Err)
	}
	return nil
}

// Owners returns a text that changes with the domains and whose they are.
func (c *File) Owners() string { return config.Digest(&c.Domains) + config.Digest(&c.Tenants) }

// own adds the domains of tenants to those that are ours.
func (c *File) own() {
	for _, t := range c.Tenants {
		for _, domain := range t.Domains {
			if !slices.Contains(c.Domains, domain) {
				c.Domains = append(c.Domains, domain)
			}
		}
	}
}
