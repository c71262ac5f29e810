package postgres

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// everything is a server on which every query gives one row with a value in
// each column its file declares.
type everything struct{ queries map[string]*queryfile.Query }

func (e everything) Server(context.Context, string) (postgres.Server, error) {
	return postgres.Server{Address: "db:5432", Database: "dmarc", Version: queryfile.Version{17}}, nil
}

func (e everything) Query(_ context.Context, st postgres.Statement, visit func([]postgres.Field, [][]byte)) (postgres.Result, error) {
	q := e.queries[st.SQL]
	if q == nil { // a cursor, or whether a table exists
		fields := []postgres.Field{{Name: "answer"}}
		visit(fields, [][]byte{[]byte("t")})
		return postgres.Result{Fields: fields, Rows: 1}, nil
	}
	if q.Name == "settings_all" {
		fields := []postgres.Field{{Name: "name"}, {Name: "setting"}, {Name: "unit"}}
		visit(fields, [][]byte{[]byte("max_connections"), []byte("100"), nil})
		return postgres.Result{Fields: fields, Rows: 1}, nil
	}
	var fields []postgres.Field
	var row [][]byte
	add := func(name, value string) {
		fields = append(fields, postgres.Field{Name: name})
		row = append(row, []byte(value))
	}
	for _, c := range q.Columns {
		if c.Usage != queryfile.UsageHistogram {
			add(c.Name, "1")
			continue
		}
		add(c.Name, "{1}")
		add(c.Name+"_bucket", "{1}")
		add(c.Name+"_sum", "1")
		add(c.Name+"_count", "1")
	}
	visit(fields, row)
	return postgres.Result{Fields: fields, Rows: 1}, nil
}

// console is the admin console of a pooler on which every query gives one row
// with a value in each column, and one for each key.
type console struct{ everything }

func (c console) Server(context.Context, string) (postgres.Server, error) {
	return postgres.Server{Address: "db:6432", Database: "pgbouncer", Version: queryfile.Version{1, 24}, Console: true}, nil
}

func (c console) Query(ctx context.Context, st postgres.Statement, visit func([]postgres.Field, [][]byte)) (postgres.Result, error) {
	fields := []postgres.Field{{Name: "key"}, {Name: "value"}}
	for key := range c.queries[st.SQL].Keys {
		visit(fields, [][]byte{[]byte(key), []byte("1")})
	}
	if c.queries[st.SQL].Keys != nil {
		return postgres.Result{Fields: fields}, nil
	}
	return c.everything.Query(ctx, st, visit)
}

// TestMetricsDocOfPgBouncer keeps the reference of the metrics of PgBouncer equal
// to its pack.
func TestMetricsDocOfPgBouncer(t *testing.T) {
	e := console{everything{map[string]*queryfile.Query{}}}
	queries := queryfile.Core(queryfile.CoreConfig{Enabled: func(name string) bool { return strings.HasPrefix(name, "pgbouncer.") }})
	for _, q := range queries {
		e.queries[q.SQL] = q
	}
	metrictest.MetricsDoc(t, "Metrics of PgBouncer", "../../../docs/metrics/pgbouncer.md", only{"pgbouncer_", postgres.New(e, queries, postgres.Config{})})
}

// only is a collector of the metrics whose names begin with a prefix.
type only struct {
	prefix string
	prometheus.Collector
}

// Collect implements prometheus.Collector.
func (o only) Collect(ch chan<- prometheus.Metric) {
	all := make(chan prometheus.Metric)
	go func() {
		defer close(all)
		o.Collector.Collect(all)
	}()
	for m := range all {
		if strings.HasPrefix(m.Desc().String(), `Desc{fqName: "`+o.prefix) {
			ch <- m
		}
	}
}

// TestMetricsDoc keeps the reference of the built-in metrics equal to the packs.
func TestMetricsDoc(t *testing.T) {
	queries := append(queryfile.Core(queryfile.CoreConfig{Enabled: func(string) bool { return true }}), packQueries(t)...)
	e := everything{map[string]*queryfile.Query{}}
	for i, q := range queries {
		for j := range q.Columns {
			q.Columns[j].Versions = queryfile.Range{} // those of every version
		}
		q.Alternatives = nil
		q.SQL = fmt.Sprintf("statement %d", i)
		e.queries[q.SQL] = q
	}
	// One that fails: only then there are errors to count.
	broken, err := queryfile.Parse("broken.yaml", []byte("broken: {query: broken, metrics: [{missing: {usage: LABEL}}, {n: {usage: GAUGE}}]}"))
	if err != nil {
		t.Fatal(err)
	}
	queries = append(queries, broken.Queries...)
	metrictest.MetricsDoc(t, "Metrics of "+name, "../../../docs/metrics/postgres_queries.md", postgres.New(e, queries, postgres.Config{}))
}

// TestDocumentedFiles loads the files that docs/postgres.md shows.
func TestDocumentedFiles(t *testing.T) {
	text, err := os.ReadFile("../../../docs/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks", len(blocks))
	}
	c, err := loadConfig(exportertest.DocumentedConfig(t, string(blocks[0][1])))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.DataSources) != 2 || len(c.AuthModules) != 1 || len(c.Probe.Targets) != 1 {
		t.Errorf("configuration = %+v", c)
	}
	files, err := queryfile.Parse("docs/postgres.md", blocks[1][1])
	if err != nil {
		t.Fatal(err)
	}
	if len(files.Queries) != 2 {
		t.Errorf("%d queries", len(files.Queries))
	}
}
