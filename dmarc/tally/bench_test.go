package tally

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// BenchmarkCount counts batches of 500 reports of 50 reporters about 20 domains.
func BenchmarkCount(b *testing.B) {
	report := func(i int) *Entry {
		e := unique(i)
		e.Org, e.Domain = fmt.Sprint("org", i%50), fmt.Sprintf("d%d.example", i%20)
		e.Groups = map[Group]int64{
			{Domain: e.Domain, Disposition: "none", DKIM: true, SPF: true, Class: ClassAlignedBoth}: 7,
			{Domain: e.Domain, Disposition: "none", DKIM: true, Class: ClassDKIMOnly}:               1,
			{Domain: e.Domain, Disposition: "reject", Class: ClassUnauthenticated}:                  3,
		}
		return e
	}
	tally := open(b, path(b), Config{})
	entries := make([]*Entry, 500)
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(entries) {
		b.StopTimer()
		for j := range entries {
			entries[j] = report(i + j)
		}
		b.StartTimer()
		d := tally.Begin()
		for _, e := range entries {
			d.Count(e)
		}
		d.Changes()
		tally.Apply(d)
	}
}

// BenchmarkRead reads a report of 20 records.
func BenchmarkRead(b *testing.B) {
	var records []string
	for i := range 20 {
		records = append(records, record(i+1, "none", "pass", "fail", "shop.example", "",
			`<dkim><domain>shop.example</domain><selector>s1</selector><result>pass</result></dkim><spf><domain>shop.example</domain><result>fail</result></spf>`))
	}
	text := aggregate(records...)
	reader := &Reader{}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for range b.N {
		if _, err := reader.Read(&unpack.Document{Kind: unpack.KindAggregate, Reader: strings.NewReader(text)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSnapshot is what a scrape of a full budget costs.
func BenchmarkSnapshot(b *testing.B) {
	tally := open(b, path(b), Config{})
	for i := range 100 {
		commit(b, tally, &delivery{entries: []*Entry{hostile(i)}})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		tally.Snapshot()
	}
}
