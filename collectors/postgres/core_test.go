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

	"github.com/dmarc-suite/dmarc-suite/collectors"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

func all(string) bool { return true }

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
	c := postgres.New(sessions, queryfile.Core(queryfile.CoreConfig{Enabled: all}), postgres.Config{Logger: log})
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
	t.Run("default", func(t *testing.T) { testCoreDefault(t, server) })
	t.Run("roles", func(t *testing.T) { testCoreRoles(t, server) })
}

// testCoreDefault compares what runs by default with the list and prints what is
// left out.
func testCoreDefault(t *testing.T, server *realtest.PostgresServer) {
	c := postgres.New(open(t, server.DSN("core"), postgres.SessionsConfig{}), queryfile.Core(queryfile.CoreConfig{}), postgres.Config{})
	families := gatherFamilies(t, c)
	shown, off := 0, 0
	for _, want := range readNames(t) {
		switch {
		case families[want.name] != nil:
			want.check(t, families[want.name])
			shown++
		case strings.HasPrefix(want.name, "pg_settings_"):
			off++
		case offByDefault[want.name] == "" && gaps[want.name] == "":
			t.Errorf("%s is missing", want.name)
		default:
			t.Logf("not by default: %s: %s", want.name, offByDefault[want.name]+gaps[want.name])
		}
	}
	t.Logf("%d of the list are shown by default; %d parameters need --collector.settings_all", shown, off)
	if shown < 130 {
		t.Errorf("only %d are shown", shown)
	}
}

// testCoreRoles signs in as a role that may only monitor, and as one that may
// not even do that.
func testCoreRoles(t *testing.T, server *realtest.PostgresServer) {
	server.SQL(t, "postgres", "CREATE ROLE watcher LOGIN PASSWORD 'w' IN ROLE pg_monitor; CREATE ROLE stranger LOGIN PASSWORD 's'")
	for role, want := range map[string][]string{"watcher:w": nil, "stranger:s": {"wal"}} {
		dsn := strings.Replace(server.DSN("core"), "postgres:"+realtest.PostgresPassword, role, 1)
		c := postgres.New(open(t, dsn, postgres.SessionsConfig{}), queryfile.Core(queryfile.CoreConfig{}), postgres.Config{})
		var failed []string
		for _, m := range gatherFamilies(t, c)["pg_scrape_collector_success"].Metric {
			if m.Gauge.GetValue() != 1 {
				failed = append(failed, m.Label[0].GetValue())
			}
		}
		if !slices.Equal(failed, want) {
			t.Errorf("%s: %v fail, want %v", role, failed, want)
		}
	}
}

// offByDefault are metrics that postgres_exporter does not show by default
// either, and the flag for them.
var offByDefault = map[string]string{
	"pg_process_idle_seconds":                    "--collector.process_idle",
	"pg_statio_user_indexes_idx_blks_hit_total":  "--collector.statio_user_indexes",
	"pg_statio_user_indexes_idx_blks_read_total": "--collector.statio_user_indexes",
	"pg_stat_statements_query_id":                "--collector.stat_statements_query",
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
	out := readShapes(t, "testdata/postgres_exporter.tsv")
	if len(out) < 300 {
		t.Fatalf("only %d names", len(out))
	}
	return out
}

// readShapes reads a committed list of metrics.
func readShapes(t *testing.T, file string) []metricShape {
	t.Helper()
	f, err := os.Open(filepath.FromSlash(file))
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

func gatherFamilies(t testing.TB, c collectors.ContextCollector) map[string]*dto.MetricFamily {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collectors.WithContext(ctx, c)); err != nil {
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
