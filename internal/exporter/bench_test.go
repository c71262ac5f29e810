package exporter

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// BenchmarkScrape compares the trunk with client_golang alone, for a collector
// that sends 1,000 metrics.
func BenchmarkScrape(b *testing.B) {
	desc := prometheus.NewDesc("test_things", "Things.", []string{"a", "b"}, nil)
	values := make([]string, 1000)
	for i := range values {
		values[i] = fmt.Sprint("value ", i)
	}
	collector := fake(func(_ context.Context, ch chan<- prometheus.Metric) {
		for i, v := range values {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(i), v, "same")
		}
	})
	bare := prometheus.NewRegistry()
	bare.MustRegister(collector, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	f := testFlags(b)
	o := Options{Collectors: func(url.Values) ([]ContextCollector, error) { return []ContextCollector{collector}, nil }}
	trunk, err := newHandler(f, &o, newReloader(f, &o))
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name    string
		handler http.Handler
	}{
		{"bare", promhttp.InstrumentMetricHandler(bare, promhttp.HandlerFor(bare, promhttp.HandlerOpts{Registry: bare}))},
		{"trunk", trunk},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			for b.Loop() {
				bench.handler.ServeHTTP(httptest.NewRecorder(), req)
			}
		})
	}
}
