package tally

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// BenchmarkCommit counts reports of 50 reporters about 20 domains, each one a
// delivery of its own. In parallel is how sources do it.
func BenchmarkCommit(b *testing.B) {
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
	for _, writers := range []int{1, 8, 100} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			tally := open(b, path(b), Config{})
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := int(next.Add(1)); i <= b.N; i = int(next.Add(1)) {
						d := &Delivery{Source: "bench", Key: fmt.Sprint(i), Entries: []*Entry{report(i)}}
						if _, err := tally.Commit(context.Background(), d); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
		})
	}
	b.Run("batch=500", func(b *testing.B) {
		tally := open(b, path(b), Config{})
		b.ReportAllocs()
		for i := 0; i < b.N; i += 500 {
			d := &Delivery{Source: "bench"}
			for j := i; j < min(i+500, b.N); j++ {
				d.Entries = append(d.Entries, report(j))
			}
			if _, err := tally.Commit(context.Background(), d); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
	})
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
		if _, err := tally.Commit(context.Background(), &Delivery{Entries: []*Entry{hostile(i)}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		tally.Snapshot()
	}
}
