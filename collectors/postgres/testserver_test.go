package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/collectors"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// source returns a Source for a connection string.
func source(dsn string) postgres.Source {
	return func(context.Context) (*pgconn.Config, error) { return pgconn.ParseConfig(dsn) }
}

// open returns sessions that end with the test.
func open(t testing.TB, dsn string, c postgres.SessionsConfig) *postgres.Sessions {
	t.Helper()
	return openSource(t, source(dsn), c)
}

func openSource(t testing.TB, source postgres.Source, c postgres.SessionsConfig) *postgres.Sessions {
	t.Helper()
	s := postgres.Open(source, c)
	t.Cleanup(s.Close)
	return s
}

// dialer counts the connections of a Source.
type dialer struct {
	mu         sync.Mutex
	open, peak int
	total      int
}

func (d *dialer) source(dsn string) postgres.Source {
	return func(context.Context) (*pgconn.Config, error) {
		config, err := pgconn.ParseConfig(dsn)
		if err != nil {
			return nil, err
		}
		dial := config.DialFunc
		config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			d.add(1)
			conn, err := dial(ctx, network, addr)
			if err != nil {
				d.add(-1)
				return nil, err
			}
			return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { d.add(-1) })}, nil
		}
		return config, nil
	}
}

func (d *dialer) add(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open += n
	d.total += max(n, 0)
	d.peak = max(d.peak, d.open)
}

func (d *dialer) counts() (open, peak, total int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open, d.peak, d.total
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// parse returns the queries of a file.
func parse(t testing.TB, file string) []*queryfile.Query {
	t.Helper()
	files, err := queryfile.Parse("test.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return files.Queries
}

// gather collects once, within timeout, and returns the value of each series
// by its name and labels, histograms as name{...}_bucket, _sum and _count. It
// fails if a registry would not take the result.
func gather(t testing.TB, c collectors.ContextCollector, timeout time.Duration) map[string]float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collectors.WithContext(ctx, c)); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Errorf("gather: %v", err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			flatten(out, f.GetName(), m)
		}
	}
	return out
}

func flatten(out map[string]float64, name string, m *dto.Metric) {
	var labels []string
	for _, l := range m.GetLabel() {
		labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	key := func(suffix string, extra ...string) string {
		all := append(slices.Clone(labels), extra...)
		if len(all) == 0 {
			return name + suffix
		}
		return name + suffix + "{" + strings.Join(all, ",") + "}"
	}
	switch {
	case m.Histogram != nil:
		out[key("_sum")] = m.Histogram.GetSampleSum()
		out[key("_count")] = float64(m.Histogram.GetSampleCount())
		for _, b := range m.Histogram.Bucket {
			out[key("_bucket", fmt.Sprintf("le=\"%g\"", b.GetUpperBound()))] = float64(b.GetCumulativeCount())
		}
	case m.Counter != nil:
		out[key("")] = m.Counter.GetValue()
	case m.Gauge != nil:
		out[key("")] = m.Gauge.GetValue()
	default:
		out[key("")] = m.GetUntyped().GetValue()
	}
}

// only returns the series whose names start with one of the prefixes.
func only(series map[string]float64, prefixes ...string) map[string]float64 {
	out := maps.Clone(series)
	maps.DeleteFunc(out, func(name string, _ float64) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	})
	return out
}

// eventually waits until check returns "".
func eventually(t testing.TB, limit time.Duration, check func() string) {
	t.Helper()
	var last string
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if last = check(); last == "" {
			return
		}
	}
	t.Errorf("after %v: %s", limit, last)
}

// logger returns a logger at debug level and what it has written.
func logger() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})), &b
}

// TestServer runs everything that needs a real PostgreSQL against one.
func TestServer(t *testing.T) {
	t.Parallel()
	server := realtest.Postgres(t)
	tests := []struct {
		name string
		run  func(*testing.T, *realtest.PostgresServer)
	}{
		{"core", testCore},
		{"queries", testQueries},
		{"pooler", testPooler},
		{"pooler without server", testPoolerWithoutServer},
		{"pooler console", testPoolerConsole},
		{"paused pooler", testPausedPooler},
		{"converted", testConverted},
		{"simple", testSimple},
		{"latin1", testLatin1},
		{"schema change", testSchemaChange},
		{"shared names", testSharedNames},
		{"select", testSelect},
		{"hosts", testHosts},
		{"room", testRoom},
		{"table locks", testTableLocks},
		{"many tables", testManyTables},
		{"many roles", testManyRoles},
		{"bad queries", testBadQueries},
		{"refused alone", testRefusedAlone},
		{"refuses TLS", testRefusesTLS},
		{"faults", testFaults},
		{"stopped server", testStoppedServer}, // the last one: it stops all of them
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, server) })
	}
}
