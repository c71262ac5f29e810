package postgres

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// newTestService returns a service of the given arguments whose background runs
// as long as the test.
func newTestService(t testing.TB, args ...string) *service {
	t.Helper()
	app, f := newApp()
	if _, code, ok := exporter.Parse(app, args, io.Discard, io.Discard); !ok {
		t.Fatalf("parse: %d", code)
	}
	s := newService(f, slog.New(slog.DiscardHandler))
	if err := s.reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.background(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return s
}

// gatherService gathers all series of a scrape and returns how many there are.
func gatherService(s *service, q url.Values) (int, error) {
	all, err := s.collectors(q)
	if err != nil {
		return 0, err
	}
	registry := prometheus.NewRegistry()
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return 0, err
		}
	}
	families, err := registry.Gather()
	if err != nil {
		return 0, err
	}
	n, up := 0, false
	for _, f := range families {
		n += len(f.Metric)
		up = up || f.GetName() == "pg_up" && f.Metric[0].Gauge.GetValue() == 1
	}
	if !up {
		return 0, fmt.Errorf("not up")
	}
	return n, nil
}

// testReloads reloads 100 times, with good and bad files, under eight scrapers.
func testReloads(t *testing.T, server *realtest.PostgresServer) {
	t.Setenv("DATA_SOURCE_NAME", server.DSN("postgres"))
	file := filepath.Join(t.TempDir(), "q.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("q: {query: SELECT 0 AS n, metrics: [{n: {usage: GAUGE}}]}")
	s := newTestService(t, "--extend.query-path="+file, "--no-queries.dmarc", "--disable-default-metrics")
	var scrapes, failed atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				scrapes.Add(1)
				if n, err := gatherService(s, nil); err != nil || n < 10 {
					t.Errorf("%d series, %v", n, err)
					failed.Add(1)
				}
			}
		})
	}
	for i := range 100 {
		if i%3 == 2 {
			write("q: {querry: broken}")
			if err := s.reload(context.Background()); err == nil {
				t.Error("a broken file was loaded")
			}
			continue
		}
		write(fmt.Sprintf("q: {query: SELECT %d AS n, metrics: [{n: {usage: GAUGE}}]}", i))
		if err := s.reload(context.Background()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	if failed.Load() > 0 || scrapes.Load() < 8 {
		t.Errorf("%d of %d scrapes failed", failed.Load(), scrapes.Load())
	}
	rows := server.SQL(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postgres_queries_exporter'")
	if rows[0][0] > "3" {
		t.Errorf("%s sessions", rows[0][0])
	}
}
