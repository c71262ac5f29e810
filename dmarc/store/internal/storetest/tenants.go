package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
)

// testTenants floods one tenant with names: another one has the series that it has
// without the flood, also after the store was opened again and when tenants change.
func testTenants(t *testing.T, w World) {
	tenants := []tally.Tenant{{Name: "acme", Domains: []string{"acme.example"}, Series: 60}, {Name: "bakery", Domains: []string{"bakery.example"}, Series: 120}}
	config := tally.Config{Domains: []string{"own.example"}, Tenants: tenants, Budget: 1000}
	s := Open(t, w.Engine, config)
	n := 0
	send := func(domain string, reporters ...string) {
		t.Helper()
		d := &store.Delivery{}
		for _, org := range reporters {
			n++
			e := Unique(n)
			e.Org, e.Domain = org, domain
			e.Groups = map[tally.Group]int64{{Domain: domain, Disposition: "none", Class: tally.ClassUnaligned, Source: org}: 10}
			d.Entries = append(d.Entries, e)
		}
		Commit(t, s, d)
	}
	var flood []string
	for i := range 200 {
		flood = append(flood, fmt.Sprintf("flood-%d.example", i))
	}
	bakery := func() map[string]int64 {
		all := map[string]int64{}
		for _, f := range []tally.Family{tally.ReporterMessages, tally.SourceMessages} {
			for k, v := range Sums(s.Snapshot(), f) {
				if strings.HasPrefix(k, "baker-") || strings.HasPrefix(k, "bakery.example,baker-") {
					all[k] = v
				}
			}
		}
		return all
	}
	want := map[string]int64{}
	send("acme.example", flood...)
	send("foreign.example", flood...)
	for i := range 4 {
		org := fmt.Sprintf("baker-%d.example", i)
		send("bakery.example", org)
		want[org], want["bakery.example,"+org+",false"] = 10, 10
	}
	send("acme.example", flood...)
	if diff := cmp.Diff(want, bakery()); diff != "" {
		t.Errorf("series of the other tenant (-want +got):\n%s", diff)
	}
	over := Sums(s.Snapshot(), tally.TenantOverflow)
	if over["acme,reporter"] == 0 || over["acme,source"] == 0 || len(over) != 2 {
		t.Errorf("overflow %v, want that of acme alone", over)
	}
	for range 2 {
		before := s.Snapshot()
		Close(t, s)
		s = Open(t, w.Engine, config)
		if diff := cmp.Diff(before.Series, s.Snapshot().Series); diff != "" {
			t.Errorf("series after opening again (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before.Tenants, s.Snapshot().Tenants); diff != "" {
			t.Errorf("tenants after opening again (-want +got):\n%s", diff)
		}
		// All of it becomes another tenant's, and then the first ones come back.
		one := tally.Tenant{Name: "all", Domains: []string{"acme.example", "bakery.example"}, Series: 300}
		if err := s.SetDomains(t.Context(), config.Domains, one); err != nil {
			t.Fatal(err)
		}
		if got := Sums(s.Snapshot(), tally.TenantOverflow); len(got) != 0 || len(s.Snapshot().Series[tally.TenantOverflow]) != 3 {
			t.Errorf("overflow %v of a new tenant, want three zeros", got)
		}
		if diff := cmp.Diff(want, bakery()); diff != "" {
			t.Errorf("series after a change (-want +got):\n%s", diff)
		}
		if err := s.SetDomains(t.Context(), config.Domains, tenants...); err != nil {
			t.Fatal(err)
		}
	}
	send("bakery.example", "baker-0.example")
	want["baker-0.example"], want["bakery.example,baker-0.example,false"] = 20, 20
	if diff := cmp.Diff(want, bakery()); diff != "" {
		t.Errorf("series at last (-want +got):\n%s", diff)
	}
	if got := Total(s.Snapshot(), tally.ReporterMessages); got != int64(10*n) {
		t.Errorf("%d messages of reporters, want %d", got, 10*n)
	}
	Close(t, s)
	if checked, err := store.Check(t.Context(), w.Engine); err != nil || len(checked.Problems) > 0 {
		t.Errorf("check: %v %v", checked, err)
	}
}
