package storetest

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	"github.com/dmarc-suite/dmarc-suite/dmarc/tally"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// BenchmarkCommit commits batches of 500 small reports of 50 reporters about 20
// domains, with the counts alone and with 6.5 records each. It reports the
// processor time of this process for each report.
func BenchmarkCommit(b *testing.B, world func(b testing.TB) World) {
	for _, one := range []struct {
		name    string
		records store.Records
	}{{"counts", store.RecordsOff}, {"records=6.5", store.RecordsAll}} {
		b.Run(one.name, func(b *testing.B) {
			s, err := store.Open(context.Background(), world(b).Engine, store.Config{Records: one.records, Counts: tally.Config{Now: func() time.Time { return Now }}})
			if err != nil {
				b.Fatal(err)
			}
			defer Close(b, s)
			const batch = 500
			used := time.Duration(0)
			b.ReportAllocs()
			for i := 0; i < b.N; i += batch {
				b.StopTimer()
				d := BenchDelivery(b, one.records, i, min(batch, b.N-i))
				b.StartTimer()
				start := ProcessorTime()
				if _, err := s.Commit(context.Background(), d); err != nil {
					b.Fatal(err)
				}
				used += ProcessorTime() - start
			}
			b.ReportMetric(float64(used.Nanoseconds())/1000/float64(b.N), "cpu-µs/report")
		})
	}
}

// ProcessorTime returns what this process has used.
func ProcessorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchDelivery makes n reports from the first one on.
func BenchDelivery(b testing.TB, records store.Records, first, n int) *store.Delivery {
	d := &store.Delivery{Source: "bench"}
	reader := &tally.Reader{}
	draft := store.NewDraft(reader, store.DraftConfig{Records: records})
	for i := first; i < first+n; i++ {
		e := Unique(i)
		e.Org, e.Domain = fmt.Sprint("org", i%50), fmt.Sprintf("d%d.example", i%20)
		e.End = e.End.AddDate(0, 0, -i%30)
		e.Begin = e.End.Add(1 - 24*time.Hour)
		e.Groups = map[tally.Group]int64{
			{Domain: e.Domain, Disposition: "none", DKIM: true, SPF: true, Class: tally.ClassAlignedBoth}: 7,
			{Domain: e.Domain, Disposition: "none", DKIM: true, Class: tally.ClassDKIMOnly}:               1,
			{Domain: e.Domain, Disposition: "reject", Class: tally.ClassUnauthenticated}:                  3,
		}
		d.Entries = append(d.Entries, e)
		if records == store.RecordsOff {
			continue
		}
		report := &dmarc.Report{Policy: e.Policy}
		for j := range 6 + i%2 {
			reader.Record(report, benchRecord(i, j, e.Domain))
		}
		reader.Report(report)
		details, err := draft.Take()
		if err != nil {
			b.Fatal(err)
		}
		d.Details = append(d.Details, details)
	}
	return d
}

// testSize holds how many bytes a record takes, indexes and reports included.
// STORE_REPORTS makes it as many as the limit is for; make kill-test does. Of
// fewer each has a larger share of pages that are not full.
func testSize(t *testing.T, w World) {
	const batch, few, share = 500, 2000, 1.5
	reports, limit := realtest.Count(t, "STORE_REPORTS", few), w.RecordBytes
	if reports == few {
		limit *= share
	}
	s := openRecords(t, w, store.RecordsAll)
	for i := 0; i < reports; i += batch {
		Commit(t, s, BenchDelivery(t, store.RecordsAll, i, batch))
	}
	Close(t, s)
	got := openRecords(t, w, store.RecordsAll).Snapshot().Bytes
	if per := float64(got) / (float64(reports) * 6.5); per > limit {
		t.Errorf("%.0f bytes a record, want at most %.0f", per, limit)
	} else {
		t.Logf("%.0f bytes a record", per)
	}
}

// benchRecord makes a record of one of 15,000 addresses.
func benchRecord(i, j int, domain string) *dmarc.Record {
	address := (i*7 + j*2003) * 7919 % 15_000
	return &dmarc.Record{
		Source: fmt.Sprintf("10.%d.%d.%d", address>>12, address>>6&63, address&63), Count: int64(1 + i%90), Disposition: "none", DKIM: "pass", SPF: "fail",
		HeaderFrom: domain, EnvelopeFrom: fmt.Sprintf("bounce%d.example", j),
		AuthDKIM: []dmarc.DKIMAuth{{Domain: domain, Selector: "s1", Result: "pass"}, {Domain: "esp.example", Selector: fmt.Sprint("k", j%3), Result: "pass"}},
		AuthSPF:  []dmarc.SPFAuth{{Domain: fmt.Sprintf("bounce%d.example", j), Scope: "mfrom", Result: "pass"}},
	}
}
