package tally

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tenants() []Tenant {
	return []Tenant{{Name: "acme", Domains: []string{"a.example"}, Series: 120}, {Name: "bakery", Domains: []string{"B.example."}, Series: 200}}
}

// named returns a report about a domain in the name of a reporter, with messages
// of some sources.
func named(c *town, domain, org string, sources ...string) *Entry {
	c.n++
	return entry(func(e *Entry) {
		e.Org, e.Domain, e.ReportID, e.Digest = org, domain, fmt.Sprint(c.n), [8]byte{byte(c.n), byte(c.n >> 8)}
		e.End = c.clock
		e.Begin = e.End.AddDate(0, 0, -1)
		e.Groups = map[Group]int64{}
		for _, source := range sources {
			e.Groups[Group{Domain: domain, Disposition: "none", Class: ClassUnaligned, Source: source}] = 10
		}
		e.Messages = int64(10 * len(sources))
	})
}

// TestTenants floods one tenant, and then also what belongs to none, with names of
// reporters and sources: another one has the series that it has without the flood.
func TestTenants(t *testing.T) {
	for _, signed := range []bool{false, true} {
		t.Run(fmt.Sprint("signed=", signed), func(t *testing.T) {
			of := func(flood bool) (sources, reporters map[string]int64, c *town) {
				c = newTown(t, Config{Domains: []string{"own.example"}, Tenants: tenants(), Budget: reserved + 500})
				for day := range 5 {
					c.clock = c.clock.AddDate(0, 0, 1)
					for i := range 60 {
						if !flood {
							break
						}
						for _, domain := range []string{"a.example", "own.example", "foreign.example"} {
							e := named(c, domain, fmt.Sprintf("evil-%d-%d.example", day, i), fmt.Sprint("e", day, i), "Mail Service")
							e.Authentic, e.AuthDomain = signed, fmt.Sprintf("evil-%d.example", i)
							commit(t, c.book, &delivery{entries: []*Entry{e}})
						}
					}
					for i := range 12 {
						e := named(c, "b.example", fmt.Sprintf("honest-%d.example", i), fmt.Sprint("s", i), "Mail Service")
						commit(t, c.book, &delivery{entries: []*Entry{e}})
					}
				}
				reporters, sources = map[string]int64{}, map[string]int64{}
				s := c.Snapshot()
				for k, v := range sumsOf(s, ReporterMessages) {
					if strings.HasPrefix(k, "honest") {
						reporters[k] = v
					}
				}
				for k, v := range sumsOf(s, SourceMessages) {
					if strings.HasPrefix(k, "b.example") {
						sources[k] = v
					}
				}
				return sources, reporters, c
			}
			sources, reporters, quiet := of(false)
			gotSources, gotReporters, c := of(true)
			if len(sources) < 13 || len(reporters) != 12 {
				t.Errorf("%d sources and %d reporters without a flood, want 13 and 12", len(sources), len(reporters))
			}
			if diff := cmp.Diff(sources, gotSources); diff != "" {
				t.Errorf("sources of the other tenant (-without a flood +with it):\n%s", diff)
			}
			if diff := cmp.Diff(reporters, gotReporters); diff != "" {
				t.Errorf("reporters of the other tenant (-without a flood +with it):\n%s", diff)
			}
			s := c.Snapshot()
			over, before := sumsOf(s, TenantOverflow), sumsOf(quiet.Snapshot(), TenantOverflow)
			if over["acme,reporter"] == 0 || over["acme,source"] == 0 || over["bakery,reporter"]+over["bakery,source"] != before["bakery,reporter"]+before["bakery,source"] {
				t.Errorf("overflow by tenant %v, without a flood %v", over, before)
			}
			for _, one := range s.Tenants {
				if one.Used > one.Budget {
					t.Errorf("%+v uses more than its budget", one)
				}
			}
			if got := exposed(s) - len(s.Domains)*60 - len(s.Series[TenantOverflow]); got > c.config.Budget {
				t.Errorf("%d series, the budget is %d", got, c.config.Budget)
			}
			again := open(t, c.file.copy(), c.config)
			if !maps.Equal(again.state.used, c.state.used) {
				t.Errorf("after a restart %v of the budget are used, before %v", again.state.used, c.state.used)
			}
			if diff := cmp.Diff(s.Series, again.Snapshot().Series); diff != "" {
				t.Errorf("after a restart (-before +after):\n%s", diff)
			}
		})
	}
}

// TestTenantsShareReporters gives the room of a reporter back that another tenant
// has, too: what is shown does not fall, and one that nobody else has becomes other.
func TestTenantsShareReporters(t *testing.T) {
	c := newTown(t, Config{Tenants: tenants(), Budget: reserved + 500})
	c.day("a.example", false, "common.example", "single.example")
	c.day("b.example", false, "common.example")
	if got := c.check(ReporterMessages); got["common.example"] != 20 || got["single.example"] != 10 {
		t.Fatalf("%v, want 20 messages of common.example and 10 of single.example", got)
	}
	before := map[SeriesKey]int64{}
	for range 4 { // on more days than the first ones came
		c.clock = c.clock.AddDate(0, 0, 1)
		c.day("a.example", false, invented(0, 30)...)
		s := c.Snapshot()
		for _, f := range []Family{Reports, ReporterMessages} {
			for _, series := range s.Series[f] {
				if k := KeyOf(f, series.Labels...); strings.Contains(string(k), "common") && series.Value < before[k] {
					t.Errorf("%q fell from %d to %d", k, before[k], series.Value)
				} else {
					before[k] = series.Value
				}
			}
		}
	}
	got := c.check(ReporterMessages)
	if _, ok := got["single.example"]; ok || got["common.example"] != 20 {
		t.Errorf("%v, want the room of single.example given back, and 20 messages of common.example", got)
	}
}

// TestTenantsChange moves a domain to another tenant and drops tenants: nothing that
// is shown falls, and what nobody uses any more goes after a while.
func TestTenantsChange(t *testing.T) {
	c := newTown(t, Config{Tenants: tenants(), Budget: reserved + 500})
	c.day("a.example", false, invented(0, 3)...)
	c.day("b.example", false, "small.example")
	moved := []Tenant{{Name: "bakery", Domains: []string{"a.example", "b.example"}, Series: 300}}
	c.config.Tenants = moved
	c.SetDomains(nil, moved...)
	if got := c.check(ReporterMessages); len(got) != 4 {
		t.Errorf("%v after the change, want four reporters", got)
	}
	c.day("a.example", false, invented(0, 1)...)
	got := c.check(ReporterMessages)
	if got["evil-000.example"] != 20 || got["evil-001.example"] != 10 {
		t.Errorf("%v, want 20 messages of the one that came again", got)
	}
	for _, s := range c.Snapshot().Series[TenantOverflow] {
		if s.Labels[0] != "bakery" {
			t.Errorf("a series of the tenant %s that is gone", s.Labels[0])
		}
	}
	c.clock = c.clock.AddDate(0, 0, idle+1)
	c.book = open(t, c.file, c.config)
	got = c.check(ReporterMessages)
	if got["evil-000.example"] != 20 || got[Other] != 20 || len(got) != 3 {
		t.Errorf("%v, want the two that nobody uses under other", got)
	}
}

func TestCheckTenants(t *testing.T) {
	one := func(change func(*Tenant)) []Tenant {
		all := tenants()
		change(&all[1])
		return all
	}
	for _, tt := range []struct {
		name    string
		tenants []Tenant
		budget  int
		want    string
	}{
		{"none", nil, 0, ""},
		{"two", tenants(), 0, ""},
		{"just enough", tenants(), reserved + 320, ""},
		{"one too many", tenants(), reserved + 319, "tenant 2: series: tenants have 320 series together, and a budget of 829 has 319 for them"},
		{"no name", one(func(t *Tenant) { t.Name = "" }), 0, "tenant 2: name: is missing"},
		{"a space", one(func(t *Tenant) { t.Name = "a b" }), 0, `tenant 2: name: "a b" has spaces or is too long: it becomes a label`},
		{"the same name", one(func(t *Tenant) { t.Name = "acme" }), 0, `tenant 2: name: "acme" is the name of another tenant`},
		{"no domains", one(func(t *Tenant) { t.Domains = nil }), 0, "tenant 2: domains: is missing"},
		{"no series", one(func(t *Tenant) { t.Series = 0 }), 0, "tenant 2: series: must be more than 0"},
		{"the same domain", one(func(t *Tenant) { t.Domains = []string{"c.example", "A.example."} }), 0, "tenant 2: domains: a.example is a domain of acme as well"},
	} {
		err := CheckTenants(tt.tenants, tt.budget)
		var place *TenantError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (!errors.As(err, &place) || err.Error() != tt.want):
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
}
