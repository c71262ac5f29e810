package tally

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
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

// varied returns a pretty-printed report with the variety of real ones: 15,000
// addresses, two DKIM results, several senders, 650 bytes a record.
func varied(records int) string {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(aggregate(), "</feedback>"))
	for i := range records {
		address, sender, pass := i*7919%15_000, i%8, "pass"
		if i%11 == 0 {
			pass = "fail"
		}
		fmt.Fprintf(&b, `
  <record>
    <row>
      <source_ip>10.%d.%d.%d</source_ip>
      <count>%d</count>
      <policy_evaluated>
        <disposition>none</disposition>
        <dkim>%s</dkim>
        <spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>shop.example</header_from>
      <envelope_from>bounce%d.esp.example</envelope_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>shop.example</domain>
        <result>%s</result>
        <selector>s%d</selector>
      </dkim>
      <dkim>
        <domain>esp%d.example</domain>
        <result>pass</result>
        <selector>k%d</selector>
      </dkim>
      <spf>
        <domain>bounce%d.esp.example</domain>
        <result>pass</result>
      </spf>
    </auth_results>
  </record>`, address>>12, address>>6&63, address&63, 1+i%97, pass, sender, pass, sender%3, sender, sender%4, sender)
	}
	b.WriteString("\n</feedback>\n")
	return b.String()
}

// BenchmarkReader compares reading a large report into an entry with decoding it.
func BenchmarkReader(b *testing.B) {
	const records = 100_000
	text := varied(records)
	decoder, record := dmarc.NewDecoder(nil), dmarc.Record{}
	reader := &Reader{}
	used := [2]time.Duration{}
	b.SetBytes(int64(len(text)))
	for range b.N { // interleaved: the machine may be busy with something else
		start := processorTime()
		decoder.Reset(strings.NewReader(text))
		var err error
		for err == nil {
			err = decoder.Next(&record)
		}
		middle := processorTime()
		if _, err := reader.Read(&unpack.Document{Kind: unpack.KindAggregate, Reader: strings.NewReader(text)}); err != nil {
			b.Fatal(err)
		}
		used[0] += middle - start
		used[1] += processorTime() - middle
	}
	b.ReportMetric(float64(used[0].Nanoseconds())/float64(b.N)/records, "decoder-ns/record")
	b.ReportMetric(float64(used[1])/float64(used[0]), "×decoder")
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
