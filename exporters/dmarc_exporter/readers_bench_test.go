package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/dmarc/store"
	serving "github.com/dmarc-suite/dmarc-suite/exporters/internal/dmarc"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// readPause is how long somebody looks at a page before the next one.
const readPause = time.Second

// BenchmarkReaders reads small reports from a directory, alone and while somebody
// looks at a page every second, and reports by how many percent that is slower, in
// time and in processor time, by the medians of the rounds, and how long the
// slowest page took. Run it with -benchtime 5x.
func BenchmarkReaders(b *testing.B) {
	reports := realtest.Count(b, "BENCH_REPORTS", 20_000)
	dir := b.TempDir()
	writeReports(b, dir, reports)
	server := realtest.Postgres(b)
	b.Setenv("PGPASSWORD", realtest.PostgresPassword)
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			took, used, pages := map[string][]time.Duration{}, map[string][]time.Duration{}, []time.Duration(nil)
			for i := 0; b.Loop(); i++ {
				ways := []string{"alone", "read"}
				if i%2 == 1 {
					slices.Reverse(ways)
				}
				for _, way := range ways {
					state := serving.StateOptions{StateFile: filepath.Join(b.TempDir(), "state.db")}
					if engine == "postgres" {
						state = serving.StateOptions{Database: newDatabase(b, server, fmt.Sprint(way, i))}
					}
					l := &looker{b: b, took: pages}
					meanwhile := map[string]func(*serving.Service){"read": l.look}[way]
					start := time.Now()
					timed(b, used, way, func() { countAll(b, dir, reports, state, store.RecordsAll, meanwhile) })
					took[way], pages = append(took[way], time.Since(start)), l.took
				}
			}
			if len(pages) == 0 {
				b.Fatal("all were counted before somebody looked at a page: BENCH_REPORTS are too few")
			}
			median := func(all []time.Duration) float64 { return float64(slices.Sorted(slices.Values(all))[len(all)/2]) }
			b.ReportMetric(100*median(took["read"])/median(took["alone"])-100, "time-%")
			b.ReportMetric(100*median(used["read"])/median(used["alone"])-100, "cpu-%")
			b.ReportMetric(float64(reports)/median(took["alone"])*float64(time.Second), "reports/s")
			b.ReportMetric(median(pages)/float64(time.Millisecond), "page-ms")
			b.ReportMetric(float64(slices.Max(pages).Milliseconds()), "slowest-ms")
			b.Logf("alone %v\nread %v\npages %v", took["alone"], took["read"], pages)
		})
	}
}

// looker looks at pages.
type looker struct {
	b    *testing.B
	mux  *http.ServeMux
	next time.Time
	took []time.Duration
}

// look looks at the next page, if it is time to.
func (l *looker) look(s *serving.Service) {
	if l.mux == nil {
		l.mux, l.next = http.NewServeMux(), time.Now().Add(readPause/2)
		for pattern, handler := range s.Pages("/metrics").Handlers() {
			l.mux.Handle(pattern, handler)
		}
	}
	if time.Now().Before(l.next) {
		return
	}
	paths, start, w := readPaths(), time.Now(), httptest.NewRecorder()
	l.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, paths[len(l.took)%len(paths)], nil))
	if w.Code != http.StatusOK {
		l.b.Errorf("%d\n%s", w.Code, w.Body)
	}
	l.took, l.next = append(l.took, time.Since(start)), time.Now().Add(readPause)
}
