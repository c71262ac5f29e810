package tally

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSetDomains holds that other domains count as they do after a start with them.
func TestSetDomains(t *testing.T) {
	about := func(domain, id string) *delivery {
		return &delivery{entries: []*Entry{entry(func(e *Entry) {
			e.Domain, e.ReportID = domain, id
			e.Groups = map[Group]int64{{Domain: domain, Disposition: "none", Class: ClassUnauthenticated}: 3}
		})}}
	}
	for _, tt := range []struct {
		name          string
		before, after []string
		want          map[string]int64
	}{
		{"one more", []string{"shop.example"}, []string{"shop.example", "New.example."}, map[string]int64{"shop.example": 6, "new.example": 3, Foreign: 3}},
		{"one less", []string{"shop.example", "new.example"}, []string{"new.example"}, map[string]int64{"shop.example": 3, "new.example": 6, Foreign: 3}},
		{"learnt no more", nil, []string{"new.example"}, map[string]int64{"shop.example": 3, "new.example": 6, Foreign: 3}},
		{"learnt from now on", []string{"new.example"}, nil, map[string]int64{"shop.example": 3, "new.example": 6, Foreign: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := path(t)
			tally := open(t, file, Config{Domains: tt.before})
			commit(t, tally, about("shop.example", "1"))
			commit(t, tally, about("new.example", "2"))
			tally.SetDomains(tt.after)
			if got, want := tally.state.used, open(t, file, Config{Domains: tt.after}).state.used; !maps.Equal(got, want) {
				t.Errorf("%v of the budget are used, after a restart %v", got, want)
			}
			commit(t, tally, about("shop.example", "3"))
			commit(t, tally, about("new.example", "4"))
			got := map[string]int64{}
			for _, s := range tally.Snapshot().Series[Messages] {
				got[s.Labels[0]] += s.Value
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("messages by domain (-want +got):\n%s", diff)
			}
			restarted := open(t, file, Config{Domains: tt.after})
			if diff := cmp.Diff(restarted.Snapshot().Domains, tally.Snapshot().Domains); diff != "" {
				t.Errorf("domains (-after a restart +got):\n%s", diff)
			}
		})
	}
}
