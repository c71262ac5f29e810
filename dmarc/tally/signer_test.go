package tally

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

func TestSigners(t *testing.T) {
	const (
		twoDKIM = `<dkim><domain>a.example</domain><result>fail</result></dkim><dkim><domain>b.example</domain><result>pass</result></dkim>`
		spf     = `<spf><domain>mail.example</domain><result>pass</result></spf>`
		odd     = `<dkim><domain>not a host</domain><result>fail</result></dkim>`
	)
	text := aggregate(
		record(1, "none", "pass", "pass", "shop.example", "", twoDKIM+spf),
		record(2, "quarantine", "fail", "fail", "shop.example", "", twoDKIM+spf),
		record(4, "reject", "fail", "pass", "news.shop.example", "", ""),
		record(8, "none", "fail", "fail", "shop.example", "", odd),
	)
	e := readOne(t, &Reader{Signers: true}, unpack.KindAggregate, text)
	tally := open(t, path(t), Config{Signers: true})
	commit(t, tally, &delivery{entries: []*Entry{e, e}})
	want := map[string]int64{}
	for labels, sums := range map[string]SignerSums{
		"Example Mail,shop.example,a.example,mail.example,": {3, 1, 2, 0, 1, 3, 1, 3},
		"Example Mail,shop.example,,,":                      {4, 4, 0, 4, 4, 0, 0, 0},
		"Example Mail,shop.example,other,,":                 {8, 0, 0, 0, 0, 0, 0, 0},
	} {
		for i, kind := range SignerKinds() {
			if sums[i] != 0 {
				want[labels+kind] = sums[i]
			}
		}
	}
	if diff := cmp.Diff(want, sumsOf(tally.Snapshot(), SignerMessages)); diff != "" {
		t.Errorf("signer messages (-want +got):\n%s", diff)
	}

	without := open(t, path(t), Config{})
	commit(t, without, &delivery{entries: []*Entry{e}})
	if got := without.Snapshot().Series[SignerMessages]; len(got) != 0 {
		t.Errorf("%d series, want none without Config.Signers", len(got))
	}
	if e := readOne(t, &Reader{}, unpack.KindAggregate, text); e.Signers != nil {
		t.Errorf("signers %v, want none without Reader.Signers", e.Signers)
	}
}

// TestSignersStayWithinBudget reads thousands of domains from each of many reporters.
func TestSignersStayWithinBudget(t *testing.T) {
	const budget = 1500
	tally := open(t, path(t), Config{Signers: true, Budget: budget})
	for i := range 10 {
		var records []string
		for j := range 2000 {
			records = append(records, record(1, "none", "fail", "fail", "shop.example", "",
				fmt.Sprintf(`<dkim><domain>d%d-%d.example</domain><result>pass</result></dkim>`, i, j)))
		}
		e := readOne(t, &Reader{Signers: true}, unpack.KindAggregate, aggregate(records...))
		e.Org = fmt.Sprint("org", i)
		if len(e.Signers) > maxGroups+1 {
			t.Fatalf("%d signers in an entry, want at most %d", len(e.Signers), maxGroups+1)
		}
		commit(t, tally, &delivery{entries: []*Entry{e}})
	}
	s := tally.Snapshot()
	if got := exposed(s); got > budget {
		t.Errorf("%d series, the budget is %d", got, budget)
	}
	var messages int64
	for _, series := range s.Series[SignerMessages] {
		if series.Labels[4] == "total" {
			messages += series.Value
		}
	}
	if messages != 20_000 {
		t.Errorf("%d messages, want 20000", messages)
	}
	if sumsOf(s, Overflow)["signer"] == 0 {
		t.Error("no overflow")
	}
}
