package postgres_test

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func all(string) bool { return true }

func byDefault(name string) bool {
	return slices.ContainsFunc(postgres.CoreQueries(), func(q postgres.CoreQuery) bool { return q.Name == name && q.Default })
}

func TestCoreQueriesNameThePack(t *testing.T) {
	var names, listed []string
	for _, q := range postgres.Core(all, nil) {
		names = append(names, q.Name)
	}
	defaults := 0
	for _, q := range postgres.CoreQueries() {
		listed = append(listed, q.Name)
		if q.Default {
			defaults++
		}
	}
	if !slices.Equal(names, listed) {
		t.Errorf("the file has %v, the table %v", names, listed)
	}
	if defaults > 12 {
		t.Errorf("%d statements a scrape", defaults)
	}
}

func TestCoreIsNotShared(t *testing.T) {
	a, b := postgres.Core(all, nil), postgres.Core(all, []string{"*"})
	a[0].SQL = "changed"
	if b[0].SQL == "changed" {
		t.Error("two calls share queries")
	}
}

// testCore runs the whole core pack and compares it with the names, types and
// labels of postgres_exporter.
func testCore(t *testing.T, server *realtest.PostgresServer) {
	server.CreateDatabase(t, "core", `CREATE EXTENSION pg_stat_statements; CREATE TABLE t (n int PRIMARY KEY); INSERT INTO t VALUES (1);
		SELECT pg_create_physical_replication_slot('standby', true)`)
	t.Cleanup(func() { server.SQL(t, "postgres", "SELECT pg_drop_replication_slot('standby')") })
	idle, err := pgconn.Connect(context.Background(), server.DSN("core"))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close(context.Background())
	log, text := logger()
	sessions := open(t, server.DSN("core"), postgres.SessionsConfig{})
	c := postgres.New(sessions, postgres.Core(all, nil), postgres.Config{Logger: log})
	families := gatherFamilies(t, c)
	if text.Len() > 0 {
		t.Errorf("logged:\n%s", text)
	}
	for _, f := range families {
		if strings.HasSuffix(f.GetName(), "_errors_total") {
			for _, m := range f.Metric {
				if m.Counter.GetValue() != 0 {
					t.Errorf("errors: %v", m)
				}
			}
		}
	}
	for _, want := range readNames(t) {
		f := families[want.name]
		switch {
		case f == nil && gaps[want.name] == "":
			t.Errorf("%s is missing", want.name)
		case f == nil:
			t.Logf("gap: %s: %s", want.name, gaps[want.name])
		default:
			want.check(t, f)
		}
	}
}

// gaps are metrics of the list that this package has not, and why.
var gaps = map[string]string{
	"pg_exporter_user_queries_load_error": "is about files, so the binary exports it",
}

// metricShape is a line of the list: name, type, labels.
type metricShape struct{ name, kind, labels string }

// readNames reads the committed list of the pg_* metrics of postgres_exporter.
func readNames(t *testing.T) []metricShape {
	t.Helper()
	f, err := os.Open(filepath.FromSlash("testdata/postgres_exporter.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []metricShape
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		fields := strings.Split(lines.Text(), "\t")
		out = append(out, metricShape{fields[0], fields[1], fields[2]})
	}
	if len(out) < 300 {
		t.Fatalf("only %d names", len(out))
	}
	return out
}

func (m metricShape) check(t *testing.T, f *dto.MetricFamily) {
	t.Helper()
	if kind := strings.ToLower(f.GetType().String()); kind != m.kind {
		t.Errorf("%s is a %s, want %s", m.name, kind, m.kind)
	}
	labels := map[string]bool{}
	for _, one := range f.Metric {
		for _, l := range one.Label {
			labels[l.GetName()] = true
		}
		for range one.GetHistogram().GetBucket() {
			labels["le"] = true
		}
	}
	var got []string
	for name := range labels {
		got = append(got, name)
	}
	slices.Sort(got)
	if strings.Join(got, ",") != m.labels {
		t.Errorf("%s has the labels %v, want %s", m.name, got, m.labels)
	}
}

func gatherFamilies(t testing.TB, c contextCollector) map[string]*dto.MetricFamily {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(bound{ctx, c}); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Error(err)
	}
	out := map[string]*dto.MetricFamily{}
	for _, f := range families {
		out[f.GetName()] = f
	}
	return out
}
