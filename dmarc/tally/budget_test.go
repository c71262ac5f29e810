package tally

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/failure"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tlsrpt"
)

// exposed returns how many series a snapshot makes: one for each sum, window,
// last end of a domain or reporter and policy, and one for each domain with messages that are compliant.
func exposed(s *Snapshot) (n int) {
	for _, series := range s.Series {
		n += len(series)
	}
	return n + len(s.Windows) + len(s.Reporters) + domainCost*len(s.Domains)
}

// hostile returns a report of its own reporter about its own domain with as
// many others in it as fit.
func hostile(i int) *Entry {
	return entry(func(e *Entry) {
		e.Groups = map[Group]int64{}
		e.Org, e.Domain, e.ReportID = fmt.Sprint("org", i), fmt.Sprintf("d%d.example", i), fmt.Sprint(i)
		for j := range maxGroups {
			from := fmt.Sprintf("m%d-%d.example", i, j)
			if j%2 == 0 {
				from = fmt.Sprintf("m%d.d%d.example", j, i)
			}
			e.Groups[Group{Domain: from, Disposition: "none", Class: ClassUnauthenticated, Source: fmt.Sprint("s", i, "-", j)}] = 1
		}
	})
}

// TestBudget commits hostile reports with thousands of domains and reporters:
// series stay within the budget, sums stay exact, nothing ever shrinks.
func TestBudget(t *testing.T) {
	for _, size := range []int{1, 800, DefaultBudget} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			file := path(t)
			tally := open(t, file, Config{Budget: size})
			before := map[SeriesKey]int64{}
			for i := range 10 {
				commit(t, tally, &delivery{entries: []*Entry{hostile(4 * i), hostile(4*i + 1), hostile(4*i + 2), hostile(4*i + 3)}})
				for k, v := range tally.state.sums {
					if v.value < before[k] {
						t.Fatalf("%q fell from %d to %d", k, before[k], v.value)
					}
					before[k] = v.value
				}
			}
			s := tally.Snapshot()
			if got := exposed(s); got > max(size, reserved) {
				t.Errorf("%d series, the budget is %d", got, size)
			}
			for _, family := range []Family{Messages, ClassMessages, SourceMessages} {
				if got, want := total(s, family), int64(40*maxGroups); got != want {
					t.Errorf("%s add up to %d, want %d", family, got, want)
				}
			}
			if got := total(s, ReporterMessages); got != 400 {
				t.Errorf("reporter messages add up to %d, want 400", got)
			}
			for _, label := range []string{"domain", "reporter", "source"} {
				// Forty reporters have room in the default budget.
				if sumsOf(s, Overflow)[label] == 0 && (label != "reporter" || size < DefaultBudget) {
					t.Errorf("no overflow of %s", label)
				}
			}
			used := tally.state.used
			if got := open(t, file, Config{Budget: size}).state.used; !maps.Equal(got, used) {
				t.Errorf("after a restart %v of the budget are used, before %v", got, used)
			}
		})
	}
}

// TestHostileTLS does the same with the policies of TLS reports.
func TestHostileTLS(t *testing.T) {
	tally := open(t, path(t), Config{Budget: 800})
	for i := range 20 {
		e := tlsEntry()
		e.TLS, e.ReportID = nil, fmt.Sprint(i)
		for j := range 500 {
			e.AddSessions(&tlsrpt.Policy{
				Type: "sts", Domain: fmt.Sprintf("d%d-%d.example", i, j), Successful: 2, Failed: 1,
				Details: []tlsrpt.Detail{{ResultType: "dane-required", FailedSessions: 1}},
			})
		}
		commit(t, tally, &delivery{entries: []*Entry{e}})
	}
	s := tally.Snapshot()
	if got := exposed(s); got > 800 {
		t.Errorf("%d series, the budget is 800", got)
	}
	if got := total(s, TLSSessions); got != 20*500*3 {
		t.Errorf("%d sessions, want %d", got, 20*500*3)
	}
}

// TestReserved holds the number of series that are set aside: everything that
// may exist without a name that untrusted input chose.
func TestReserved(t *testing.T) {
	domains, dispositions := []string{Other, Foreign, Unknown}, 5
	n := len(fixedSeries(nil)) + 1 // authenticated: other
	n += len(newVocabulary().codes) + 1
	n += len(DelayBounds()) + 2
	n += len(SignerKinds())
	n += 4 * 2 // reports and messages of reporters that do not say who they are
	n += 3 * len(Outcomes())
	perDomain := dispositions*2*2 + classCost + 1 + 2*2 + // messages, classes with windows, compliant, sources other and unknown
		(len(tlsrpt.PolicyTypes())+1)*2 + len(tlsrpt.ResultTypes()) + 1 + len(failure.AuthFailures()) + 1
	n += len(domains) * perDomain
	n += len(Classes()) // authentic messages of other domains
	n += 20             // what is there once, such as the size of the file
	if n > reserved {
		t.Errorf("%d series may exist without a name, only %d are reserved", n, reserved)
	}
	if n < reserved-50 {
		t.Errorf("%d series may exist without a name, reserving %d wastes some", n, reserved)
	}
	if got := len(Classes()) * (1 + len(Windows())); got != classCost {
		t.Errorf("the classes of a domain cost %d, not %d", got, classCost)
	}
}

func TestDomainLabels(t *testing.T) {
	g := func(domain string) Group { return Group{Domain: domain, Disposition: "none"} }
	tests := []struct {
		name   string
		mine   []string
		domain string
		groups map[Group]int64
		want   map[string]int64
	}{
		{
			"mine",
			[]string{"Shop.Example.", "news.shop.example"},
			"shop.example",
			map[Group]int64{g("a.news.shop.example"): 1, g("www.shop.example"): 2, g("shop.example"): 3, g("elsewhere.example"): 4},
			map[string]int64{"news.shop.example": 1, "shop.example": 9},
		},
		{
			"policy of a subdomain of mine",
			[]string{"shop.example"},
			"a.shop.example",
			map[Group]int64{g("a.shop.example"): 1, g(""): 2},
			map[string]int64{"shop.example": 3},
		},
		{"foreign", []string{"shop.example"}, "evil.example", map[Group]int64{g("shop.example"): 1}, map[string]int64{Foreign: 1}},
		{"looks like mine", []string{"shop.example"}, "evilshop.example", map[Group]int64{g("evilshop.example"): 1}, map[string]int64{Foreign: 1}},
		{
			"learnt", nil, "shop.example",
			map[Group]int64{g("a.shop.example"): 1, g("elsewhere.example"): 2, g(Other): 4},
			map[string]int64{"shop.example": 7},
		},
		{"international", nil, "bücher.example", map[Group]int64{g("bücher.example"): 1}, map[string]int64{"bücher.example": 1}},
		{"no domain", nil, "", map[Group]int64{g(""): 1}, map[string]int64{Unknown: 1}},
		{"no host", nil, "<script>.example", map[Group]int64{g(""): 1}, map[string]int64{Other: 1}},
		{"invalid UTF-8", nil, "a\xff.example", map[Group]int64{g(""): 1}, map[string]int64{Other: 1}},
		{"one label", nil, "example", map[Group]int64{g(""): 1}, map[string]int64{Other: 1}},
		{"empty label", nil, "a..example", map[Group]int64{g(""): 1}, map[string]int64{Other: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tally := open(t, path(t), Config{Domains: tt.mine})
			commit(t, tally, &delivery{entries: []*Entry{entry(func(e *Entry) { e.Domain, e.Groups = tt.domain, tt.groups })}})
			got := map[string]int64{}
			for _, s := range tally.Snapshot().Series[Messages] {
				got[s.Labels[0]] += s.Value
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("messages by domain (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReporterLabels(t *testing.T) {
	for _, tt := range []struct{ org, want string }{
		{"Example Mail", "Example Mail"},
		{"  a\tb\n c ", "a b c"},
		{"", Unknown},
		{"\x00\x01", Unknown},
		{"other", Other},
		{"foreign", Other},
		{"ab\x00c\u202e", "abc"},
		{string(make([]byte, 300)) + "x", "x"},
		{"é" + fmt.Sprintf("%0150d", 0), "é" + fmt.Sprintf("%098d", 0)},
		{fmt.Sprintf("%099d", 0) + "é", fmt.Sprintf("%099d", 0)},
	} {
		tally := open(t, path(t), Config{})
		commit(t, tally, &delivery{entries: []*Entry{entry(func(e *Entry) { e.Org = tt.org })}})
		if got := sumsOf(tally.Snapshot(), ReporterMessages)[tt.want]; got != 10 {
			t.Errorf("%q is not counted as %q", tt.org, tt.want)
		}
	}
}

// TestConfiguredDomainsHaveNoLimit admits what the operator names, whatever the budget.
func TestConfiguredDomainsHaveNoLimit(t *testing.T) {
	var mine []string
	for i := range 200 {
		mine = append(mine, fmt.Sprintf("d%d.example", i))
	}
	tally := open(t, path(t), Config{Domains: mine, Budget: 600})
	d := &delivery{}
	for i, domain := range mine {
		d.entries = append(d.entries, entry(func(e *Entry) {
			e.Domain, e.ReportID = domain, fmt.Sprint(i)
			e.Groups = map[Group]int64{{Domain: domain, Disposition: "none"}: 1}
		}))
	}
	commit(t, tally, d)
	got := sumsOf(tally.Snapshot(), Messages)
	if len(got) != 200 || got["d199.example,none,fail,fail"] != 1 {
		t.Errorf("%d series of messages, want 200", len(got))
	}
}

// TestClosedSets holds that values outside of a closed set do not become labels.
func TestClosedSets(t *testing.T) {
	tally := open(t, path(t), Config{})
	strange := failureEntry()
	strange.AuthFailure = "strange"
	session := tlsEntry()
	session.TLS = []Sessions{{Domain: "shop.example", Policy: "strange", Failed: 1, Failures: map[tlsrpt.ResultType]int64{"strange": 1}}}
	commit(t, tally, &delivery{auth: "strange", entries: []*Entry{strange, session, entry(func(e *Entry) {
		e.Groups = map[Group]int64{{Domain: "shop.example", Disposition: "strange", Class: ClassDKIMOnly}: 1}
	})}})
	for _, series := range tally.Snapshot().Series {
		for _, s := range series {
			for _, label := range s.Labels {
				if label == "strange" {
					t.Errorf("a label of %v is outside of its set", s.Labels)
				}
			}
		}
	}
}
