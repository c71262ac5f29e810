package tests

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestDashboards holds what every dashboard and panel must have.
func TestDashboards(t *testing.T) {
	s := mixin(t)
	panels, uids := 0, map[string]bool{}
	for file, d := range s.Dashboards {
		if d.UID+".json" != file || uids[d.UID] || len(d.UID) > 40 {
			t.Errorf("%s has uid %q", file, d.UID)
		}
		uids[d.UID] = true
		if d.Editable || d.Description == "" || len(d.Links) == 0 || len(d.Annotations.List) == 0 && !d.ofSQL() {
			t.Errorf("%s is editable, or lacks description, links or annotations", file)
		}
		if len(s.raw[file]) > 256<<10 {
			t.Errorf("%s does not fit into a ConfigMap of 256 kB", file)
		}
		if first := d.all()[0]; !d.ofSQL() && (first.Title != "Firing now" || !strings.Contains(string(s.raw[file]), "/docs/runbooks/${__value.text}.md")) {
			t.Errorf("%s does not begin with what fires now and its runbooks, but with %s", file, first.Title)
		}
		ids := map[int]bool{}
		for _, p := range slices.Concat(d.all(), d.rows()) {
			if ids[p.ID] {
				t.Errorf("%s has two panels %d", file, p.ID)
			}
			ids[p.ID] = true
		}
		for _, p := range d.all() {
			panels++
			checkPanel(t, file, p)
		}
		overlaps(t, file, d.Panels)
		for _, r := range d.rows() {
			overlaps(t, file+" "+r.Title, r.Panels)
		}
	}
	if panels < 90 {
		t.Errorf("%d panels, want 90", panels)
	}
}

func checkPanel(t *testing.T, file string, p panel) {
	t.Helper()
	where := file + " " + p.Title
	if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" {
		t.Errorf("%s lacks title, description or unit", where)
	}
	if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
		t.Errorf("%s has no target or a fixed data source", where)
	}
	for _, target := range p.Targets {
		if target.Datasource.UID != "${datasource}" {
			t.Errorf("%s has a fixed data source", where)
		}
		if target.LegendFormat == "" && target.RawSQL == "" {
			t.Errorf("%s has a target without legend", where)
		}
		if strings.Contains(target.Expr, "histogram_quantile") && !strings.Contains(target.Expr, "by (le") {
			t.Errorf("%s: a quantile without le: %s", where, target.Expr)
		}
		// One value that is no number takes the axis and all lines from a panel.
		if strings.Count(target.Expr, "histogram_quantile") > strings.Count(target.Expr, ") >= 0") {
			t.Errorf("%s: a quantile of nothing is NaN: %s", where, target.Expr)
		}
	}
}

// TestVariables holds that each variable that a page offers narrows each of its
// panels, but for what has not got the label.
func TestVariables(t *testing.T) {
	for file, d := range mixin(t).Dashboards {
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			used := 0
			for _, p := range d.all() {
				for _, target := range p.Targets {
					if strings.Contains(target.Expr, "$"+v.Name) || strings.Contains(target.RawSQL, "${"+v.Name+":sqlstring}") {
						used++
					} else if target.RawSQL != "" {
						t.Errorf("%s %s does not heed the variable %s: %s", file, p.Title, v.Name, target.RawSQL)
					} else if ofSLOs := strings.Contains(target.Expr, "slo:"); (v.Name == "job" || v.Name == "instance") && !ofSLOs {
						t.Errorf("%s %s does not heed the variable %s: %s", file, p.Title, v.Name, target.Expr)
					}
				}
			}
			if used < 5 {
				t.Errorf("%s: the variable %s narrows only %d expressions", file, v.Name, used)
			}
		}
	}
}

// TestPlaces holds that what a panel shows has one page, and other pages lead there.
func TestPlaces(t *testing.T) {
	places := map[string]string{}
	for _, file := range sortedKeys(mixin(t).Dashboards) {
		d := mixin(t).Dashboards[file]
		for _, p := range d.all() {
			if p.Title == "Firing now" {
				continue // of this page
			}
			for _, target := range p.Targets {
				if other := places[target.Expr+target.RawSQL]; other != "" && other != file {
					t.Errorf("%s: %s shows again what %s shows: %s", file, p.Title, other, target.Expr)
				}
				places[target.Expr+target.RawSQL] = file
			}
		}
	}
}

// TestLegends holds that lines of several instances can be told apart.
func TestLegends(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	for file, d := range mixin(t).Dashboards {
		for _, panel := range d.all() {
			if panel.Type == "table" || d.ofSQL() || file == "dmarc-slos.json" {
				continue
			}
			for _, target := range panel.Targets {
				expr, err := p.ParseExpr(dashboardVariables.Replace(target.Expr))
				if err != nil {
					t.Fatal(err)
				}
				if perInstance(expr) && !strings.Contains(target.LegendFormat, "{{instance}}") {
					t.Errorf("%s %s: the legend %q does not name the instance: %s", file, panel.Title, target.LegendFormat, target.Expr)
				}
			}
		}
	}
}

// perInstance reports whether what an expression gives has the label instance.
func perInstance(n parser.Expr) bool {
	switch e := n.(type) {
	case *parser.AggregateExpr:
		if e.Op == parser.TOPK || e.Op == parser.BOTTOMK {
			return perInstance(e.Expr)
		}
		return e.Without && !slices.Contains(e.Grouping, "instance") || !e.Without && slices.Contains(e.Grouping, "instance")
	case *parser.BinaryExpr:
		if e.VectorMatching != nil && e.VectorMatching.On && !slices.Contains(e.VectorMatching.MatchingLabels, "instance") && e.Op != parser.LOR && e.Op != parser.LAND && e.Op != parser.LUNLESS {
			return false
		}
		return perInstance(e.LHS) || perInstance(e.RHS)
	case *parser.Call:
		return slices.ContainsFunc(e.Args, perInstance)
	case *parser.ParenExpr:
		return perInstance(e.Expr)
	case *parser.UnaryExpr:
		return perInstance(e.Expr)
	case *parser.SubqueryExpr:
		return perInstance(e.Expr)
	case *parser.MatrixSelector, *parser.VectorSelector:
		return true
	}
	return false
}

// TestColours holds that good and bad values have their colours, in whatever
// panel, by the first expression that they match.
func TestColours(t *testing.T) {
	want := map[string]string{
		"FAILURE": "red", "failed": "red", "invalid": "red", "reject": "red", "unauthenticated": "red", "503": "red", "refused": "red", "rollback": "red",
		"RETRY": "orange", "quarantine": "orange", "404": "orange", "pending": "orange", "evicted": "red",
		"dkim_only": "yellow", "301": "blue",
		"SUCCESS": "green", "passed": "green", "aligned_both": "green", "200": "green", "counted": "green", "completed": "green", "hits": "green",
		"dmarc-exporter": "", "5min": "", "select": "", "/api/reports": "",
	}
	for _, p := range mixin(t).Dashboards["dmarc-system-health.json"].all() {
		if p.Title != "Background tasks" {
			continue
		}
		for legend, colour := range want {
			if got := p.colour(t, legend); got != colour {
				t.Errorf("%s is %q, want %q", legend, got, colour)
			}
		}
		return
	}
	t.Error("no panel of background tasks")
}

// colour is that of a legend, or "" for one that the panel chooses.
func (p panel) colour(t *testing.T, legend string) string {
	t.Helper()
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID != "byRegexp" {
			continue
		}
		text := o.Matcher.Options.(string)
		pattern, insensitive := strings.CutSuffix(strings.TrimPrefix(text, "/"), "/i")
		if pattern = strings.TrimSuffix(pattern, "/"); insensitive {
			pattern = "(?i)" + pattern
		}
		if regexp.MustCompile(pattern).MatchString(legend) {
			return o.Properties[0].Value.(map[string]any)["fixedColor"].(string)
		}
	}
	return ""
}

// overlaps holds that no panel lies on another or beyond the right edge.
func overlaps(t *testing.T, file string, panels []panel) {
	t.Helper()
	taken := map[[2]int]string{}
	for _, p := range panels {
		g := p.GridPos
		if g.X+g.W > 24 {
			t.Errorf("%s %s is too wide", file, p.Title)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Errorf("%s: %s lies on %s", file, p.Title, other)
					return
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
