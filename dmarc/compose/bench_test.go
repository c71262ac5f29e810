package compose_test

import (
	"io"
	"runtime"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
	"github.com/dmarc-suite/dmarc-suite/dmarc/compose"
)

// BenchmarkAdd adds a million different messages, of which most rows go to files.
func BenchmarkAdd(b *testing.B) {
	const messages = 1_000_000
	for b.Loop() {
		rows := &compose.Rows{Dir: b.TempDir()}
		var peak uint64
		for i := range messages {
			if err := rows.Add(record(uint64(i) * 7919 % (messages / 2))); err != nil {
				b.Fatal(err)
			}
			if i%100_000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
		}
		n := 0
		if err := rows.Each(func(*dmarc.Record) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(peak)/(1<<20), "MiB-heap")
		b.ReportMetric(float64(n), "rows")
	}
}

// BenchmarkMail composes a report with 10,000 records.
func BenchmarkMail(b *testing.B) {
	rows := new(compose.Rows)
	for i := range 10_000 {
		if err := rows.Add(record(uint64(i))); err != nil {
			b.Fatal(err)
		}
	}
	r := report(rows)
	r.MaxBytes = 50 << 20
	for b.Loop() {
		err := r.Mails(func(m *compose.Mail) error { _, err := m.WriteTo(io.Discard); return err })
		if err != nil {
			b.Fatal(err)
		}
	}
}
