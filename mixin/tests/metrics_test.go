package tests

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// family is a metric that exists, with its labels and their known values.
type family map[string][]string

// targetLabels are those that Prometheus adds.
var targetLabels = []string{"job", "instance", "cluster", "namespace", "__name__"}

// openLabels have values that are the user's own. Values of all others are
// known, from a golden exposition or from testdata/values.tsv.
var openLabels = map[string]string{
	"queue":      "lists of Redis",
	"reporter":   "organisations",
	"domain":     "domains of the user",
	"mountpoint": "of the host", "device": "of the host", "fstype": "of the host", "file": "of the host",
	"collector": "queries of the user", "task": "tasks of the user", "task_name": "tasks of the user",
	"slo": "checked by the tests of SLOs",
}

// exposed are all metrics: the references of our exporters, which are generated
// from them, their goldens for values of labels, what the trunk adds, and what
// comes from outside.
func exposed(t *testing.T) map[string]family {
	t.Helper()
	out := map[string]family{}
	references, err := filepath.Glob("../../docs/metrics/*.md")
	if err != nil || len(references) < 5 {
		t.Fatalf("%d references of metrics, want those of five exporters: %v", len(references), err)
	}
	row := regexp.MustCompile("^\\| `([^`]+)` \\| (\\w+) \\| ([^|]*) \\|")
	for _, file := range references {
		for _, line := range lines(t, file) {
			if m := row.FindStringSubmatch(line); m != nil {
				add(out, m[1], m[2], strings.NewReplacer("`", "", " ", "").Replace(m[3]))
			}
		}
	}
	for _, file := range []string{"testdata/outside.tsv", "testdata/node.tsv", "testdata/late.tsv"} {
		for _, line := range lines(t, file) {
			if f := strings.Split(line, "\t"); !strings.HasPrefix(line, "#") && len(f) >= 3 {
				add(out, f[0], f[1], f[2])
			}
		}
	}
	for _, name := range []string{"dmarc_exporter", "postgres_queries_exporter", "redis_exporter", "nginx_exporter", "node_exporter"} {
		add(out, name+"_build_info", "gauge", "version,revision,branch,goversion,goos,goarch,tags")
		add(out, name+"_scrape_collector_success", "gauge", "collector")
		add(out, name+"_scrape_collector_duration_seconds", "gauge", "collector")
		add(out, name+"_dropped_metrics_total", "counter", "")
		add(out, name+"_collector_panics_total", "counter", "")
		add(out, name+"_config_last_reload_successful", "gauge", "")
	}
	add(out, "suite_exporter_part_up", "gauge", "part")
	add(out, "suite_exporter_dropped_metrics_total", "counter", "")
	for _, file := range goldens(t) {
		addValues(t, out, file)
	}
	addRecorded(t, out)
	for _, g := range mixin(t).Alerts.Groups {
		for _, r := range g.Rules {
			out["ALERTS"]["alertname"] = append(out["ALERTS"]["alertname"], r.Alert)
		}
	}
	for _, v := range vocabularies(t) {
		if out[v.metric] == nil {
			t.Errorf("testdata/values.tsv: nobody exposes %s", v.metric)
			continue
		}
		out[v.metric][v.label] = append(out[v.metric][v.label], v.values...)
	}
	return out
}

// goldens are the expositions of our collectors, at whatever depth.
func goldens(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"../../collectors/*/testdata/*.prom", "../../collectors/*/testdata/*/*.prom"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no golden expositions in %s: %v", pattern, err)
		}
		out = append(out, found...)
	}
	return out
}

// vocabulary is a line of testdata/values.tsv.
type vocabulary struct {
	metric, label string
	values        []string
	source        string // the file that has them, or who says so
}

func vocabularies(t *testing.T) []vocabulary {
	t.Helper()
	var out []vocabulary
	for _, line := range lines(t, "testdata/values.tsv") {
		if f := strings.Split(line, "\t"); !strings.HasPrefix(line, "#") && len(f) == 4 {
			out = append(out, vocabulary{f[0], f[1], strings.Split(f[2], ","), f[3]})
		}
	}
	return out
}

// TestVocabularies holds that a file that is named as a source has the values,
// and that each line is needed.
func TestVocabularies(t *testing.T) {
	all := allExpressions(t)
	for _, v := range vocabularies(t) {
		if !strings.Contains(all, v.metric) {
			t.Errorf("nothing uses %s", v.metric)
		}
		if !strings.Contains(v.source, "/") {
			continue
		}
		text, err := os.ReadFile("../../" + v.source)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, value := range v.values {
			if !regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`).Match(text) {
				t.Errorf("%s has no %q, a %s of %s", v.source, value, v.label, v.metric)
			}
		}
	}
}

// add adds the series of a metric.
func add(out map[string]family, name, kind, list string) {
	all := []string{name}
	switch kind {
	case "histogram":
		all = []string{name + "_bucket", name + "_sum", name + "_count"}
	case "summary":
		all = []string{name, name + "_sum", name + "_count"}
	}
	for _, n := range all {
		if out[n] == nil {
			out[n] = family{}
		}
		for _, l := range strings.Split(list, ",") {
			if l != "" {
				if _, known := out[n][l]; !known {
					out[n][l] = nil
				}
			}
		}
		if strings.HasSuffix(n, "_bucket") {
			out[n]["le"] = nil
		}
	}
}

// addValues adds the values that labels have in a golden exposition.
func addValues(t *testing.T, out map[string]family, file string) {
	t.Helper()
	p := parser.NewParser(parser.Options{})
	for _, line := range lines(t, file) {
		series := line[:max(0, strings.LastIndex(line, " "))]
		if strings.HasPrefix(line, "#") || series == "" {
			continue
		}
		m, err := p.ParseMetric(series)
		if err != nil {
			t.Fatalf("%s: %s: %v", file, series, err)
		}
		f := out[m.Get("__name__")]
		if f == nil {
			continue
		}
		m.Range(func(l labels.Label) {
			if l.Name != "__name__" {
				f[l.Name] = append(f[l.Name], l.Value)
			}
		})
	}
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		out = append(out, s.Text())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// expressions are all that the mixin has, by where.
func expressions(s *source) map[string]string {
	out := map[string]string{}
	for file, d := range s.Dashboards {
		if d.ofSQL() {
			continue
		}
		for _, p := range d.all() {
			for _, target := range p.Targets {
				out[file+": "+p.Title+" "+target.RefID] = target.Expr
			}
		}
		for _, a := range d.Annotations.List {
			out[file+": annotation "+a.Expr] = a.Expr
		}
		for _, v := range d.Templating.List {
			if m := regexp.MustCompile(`label_values\((.+), \w+\)`).FindStringSubmatch(strings.ReplaceAll(string(v.Query), `\"`, `"`)); m != nil && m[1] != "" {
				out[file+": variable "+v.Name] = m[1]
			}
		}
	}
	for _, all := range [][]group{s.Rules.Groups, s.Alerts.Groups} {
		for _, g := range all {
			for _, r := range g.Rules {
				out[g.Name+": "+r.Alert+r.Record+" "+r.Labels["severity"]] = r.Expr
			}
		}
	}
	return out
}

// TestExpressions holds that every expression parses, and that every metric,
// label and value of a label in it exists.
func TestExpressions(t *testing.T) {
	for name, compiled := range map[string]func() (*source, error){"as it is": compiled, "for the application": compiledForApplication} {
		t.Run(name, func(t *testing.T) {
			s, err := compiled()
			if err != nil {
				t.Fatal(err)
			}
			testExpressions(t, s)
		})
	}
}

func testExpressions(t *testing.T, s *source) {
	t.Helper()
	metrics := exposed(t)
	p := parser.NewParser(parser.Options{})
	for where, text := range expressions(s) {
		expr, err := p.ParseExpr(dashboardVariables.Replace(text))
		if err != nil {
			t.Errorf("%s: %v: %s", where, err, text)
			continue
		}
		checkExpr(t, where, expr, metrics)
	}
}

// dashboardVariables gives variables of Grafana that are no texts a value.
var dashboardVariables = strings.NewReplacer("$__rate_interval", "5m", "$__interval", "5m", "$__range_s", "3600", "$__range", "1h", "$__from", "0")

// checkExpr holds that the metrics, labels and values in an expression exist.
func checkExpr(t *testing.T, where string, expr parser.Expr, metrics map[string]family) {
	t.Helper()
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			checkSelector(t, where, v, metrics)
		}
		if a, ok := n.(*parser.AggregateExpr); ok && !a.Without {
			checkGrouping(t, where, a, metrics)
		}
		return nil
	})
}

func checkSelector(t *testing.T, where string, v *parser.VectorSelector, metrics map[string]family) {
	t.Helper()
	for _, name := range names(v, metrics) {
		f, ok := metrics[name]
		if !ok {
			t.Errorf("%s: nobody exposes %s", where, name)
			continue
		}
		for _, m := range v.LabelMatchers {
			if slices.Contains(targetLabels, m.Name) {
				continue
			}
			values, ok := f[m.Name]
			if !ok {
				if m.Type != labels.MatchEqual || m.Value != "" {
					t.Errorf("%s: %s has no label %s", where, name, m.Name)
				}
				continue
			}
			if dashboardVariable.MatchString(m.Value) || openLabels[m.Name] != "" || m.Value == "" {
				continue
			}
			if len(values) == 0 {
				t.Errorf("%s: nobody says which values %s of %s has", where, m.Name, name)
			} else if !slices.ContainsFunc(values, m.Matches) {
				t.Errorf("%s: no series of %s has %s: %q", where, name, m, values)
			}
		}
	}
}

// dashboardVariable is one of Grafana's; a $ alone is the end of a regular expression.
var dashboardVariable = regexp.MustCompile(`\$\{?[a-z_]`)

// names are the metrics a selector stands for; all of a job are none in particular.
func names(v *parser.VectorSelector, metrics map[string]family) []string {
	if v.Name != "" {
		return []string{v.Name}
	}
	var out []string
	if !slices.ContainsFunc(v.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == "__name__" }) {
		return nil
	}
	for _, m := range v.LabelMatchers {
		if m.Name != "__name__" {
			continue
		}
		for name := range metrics {
			if m.Matches(name) {
				out = append(out, name)
			}
		}
	}
	if len(out) == 0 {
		return []string{v.String()}
	}
	return out
}

// checkGrouping holds that labels an aggregation keeps exist somewhere below it.
func checkGrouping(t *testing.T, where string, a *parser.AggregateExpr, metrics map[string]family) {
	t.Helper()
	have := map[string]bool{}
	parser.Inspect(a.Expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			for _, name := range names(v, metrics) {
				for l := range metrics[name] {
					have[l] = true
				}
			}
		}
		return nil
	})
	for _, l := range a.Grouping {
		if !have[l] && !slices.Contains(targetLabels, l) {
			t.Errorf("%s: nothing has the label %s that %s keeps", where, l, a.Op)
		}
	}
}

// TestOutside holds that the list of foreign metrics has none that is not used,
// and that our own backup scripts have those that are said to be theirs.
func TestOutside(t *testing.T) {
	used := allExpressions(t) + texts(t, "../../docs/runbooks/*.md")
	scripts := texts(t, "../../deploy/dr/dr-*")
	for _, line := range lines(t, "testdata/outside.tsv") {
		name, rest, _ := strings.Cut(line, "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if !strings.Contains(used, name) {
			t.Errorf("nothing uses %s", name)
		}
		if strings.HasSuffix(rest, "the backup scripts, by textfile") && !strings.Contains(scripts, name) {
			t.Errorf("no script of deploy/dr has %s", name)
		}
	}
}

// texts are all files of a pattern.
func texts(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", pattern, err)
	}
	var out strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	return out.String()
}

// allExpressions are those of the mixin whatever the sources of its objectives.
func allExpressions(t *testing.T) string {
	t.Helper()
	other, err := compiledForApplication()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, s := range []*source{mixin(t), other} {
		for _, text := range expressions(s) {
			all.WriteString(text + "\n")
		}
	}
	return all.String()
}

// TestBuckets holds that the boundaries the SLOs may use are those exposed.
func TestBuckets(t *testing.T) {
	metrics := exposed(t)
	for name, want := range mixin(t).Buckets {
		values := metrics[name+"_bucket"]["le"]
		if len(values) == 0 {
			continue // no golden has it: the application, or SQL
		}
		for _, le := range want {
			if !slices.Contains(values, le) {
				t.Errorf("%s has no bucket %s: %q", name, le, values)
			}
		}
	}
}
