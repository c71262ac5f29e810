package postgres

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// list splits a flag at commas.
func list(s string) []string {
	var out []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// loadCustom returns the queries of --extend.query-path. Those that do not say
// in which databases they run follow --auto-discover-databases.
func (f *flags) loadCustom() (*queryfile.Files, error) {
	files, err := queryfile.Load(list(f.queryPaths)...)
	if err != nil {
		return nil, err
	}
	databases, err := f.databases()
	if err != nil {
		return nil, err
	}
	for _, q := range files.Queries {
		if q.Databases == nil && q.Cursor == "" {
			q.Databases = databases
		}
	}
	return files, nil
}

// withPacks adds the DMARC pack and the core pack to the queries of files, and
// returns the names of what the files have replaced.
func (f *flags) withPacks(custom []*queryfile.Query) (queries []*queryfile.Query, dropped []string, err error) {
	databases, err := f.databases()
	if err != nil {
		return nil, nil, err
	}
	packs := queryfile.Core(queryfile.CoreConfig{Enabled: f.coreEnabled, Databases: databases, Statements: f.statements, Tables: f.tables})
	if f.dmarc {
		pack, err := queryfile.Parse("postgres-queries.yaml", dmarcPack)
		if err != nil {
			return nil, nil, err
		}
		packs = append(packs, pack.Queries...)
	}
	packs, dropped = queryfile.Override(packs, custom)
	return append(packs, custom...), dropped, nil
}

func (f *flags) coreEnabled(name string) bool {
	if f.noCore || strings.HasPrefix(name, "settings") && f.noSettings {
		return false
	}
	return *f.core[name]
}

// databases returns the patterns of the databases that are discovered, nil if
// none is.
func (f *flags) databases() ([]string, error) {
	include, exclude := list(f.include), list(f.exclude)
	for _, pattern := range append(include, exclude...) {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("pattern %q of databases: %w", pattern, err)
		}
	}
	if !f.discover {
		return nil, nil
	}
	if len(include) == 0 {
		include = []string{"*"}
	}
	for _, pattern := range exclude {
		include = append(include, "!"+pattern)
	}
	return include, nil
}

// loads tells which query files were read, as postgres_exporter does. It
// implements exporter.ContextCollector.
type loads struct {
	desc *prometheus.Desc

	mu     sync.Mutex
	files  []queryfile.FileSum
	failed map[string]bool // files whose last load failed
}

func newLoads() *loads {
	return &loads{desc: prometheus.NewDesc("pg_exporter_user_queries_load_error",
		"Whether a query file could not be loaded the last time (1 for error, 0 for success).",
		[]string{"filename", "hashsum"}, nil)}
}

// note records the outcome of a load. After a failed one the files before it
// stay in force.
func (l *loads) note(files *queryfile.Files, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = map[string]bool{}
	if err == nil {
		l.files = files.Sums
		return
	}
	for e := range queryfile.Mistakes(err) {
		l.failed[e.At.File] = true
	}
}

// Describe implements prometheus.Collector.
func (l *loads) Describe(ch chan<- *prometheus.Desc) { ch <- l.desc }

// Collect implements prometheus.Collector.
func (l *loads) Collect(ch chan<- prometheus.Metric) { l.CollectContext(context.Background(), ch) }

// CollectContext implements exporter.ContextCollector.
func (l *loads) CollectContext(_ context.Context, ch chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := map[string]bool{}
	for _, f := range l.files {
		known[f.Name] = true
		value := 0.0
		if l.failed[f.Name] {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, value, f.Name, f.SHA256)
	}
	for name := range l.failed {
		if !known[name] {
			ch <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, 1, name, "")
		}
	}
}
