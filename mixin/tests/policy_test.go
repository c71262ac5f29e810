package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRules holds what every alert must have.
func TestRules(t *testing.T) {
	s := mixin(t)
	camel := regexp.MustCompile(`^[A-Z][A-Za-z0-9]+$`)
	tested := map[string]bool{}
	for _, all := range s.Tests {
		for _, a := range all {
			tested[a.Alert] = len(a.Tests.Fires.Series) > 0 && len(a.Tests.Silent.Series) > 0
		}
	}
	uids := map[string]bool{}
	for _, d := range s.Dashboards {
		uids[d.UID] = true
	}
	alerts := map[string]bool{}
	for _, g := range s.Alerts.Groups {
		for _, r := range g.Rules {
			alerts[r.Alert] = true
			if !camel.MatchString(r.Alert) || len(r.Alert) > 40 {
				t.Errorf("%s is no name of an alert", r.Alert)
			}
			if !strings.Contains("critical warning info", r.Labels["severity"]) || r.Labels["severity"] == "" {
				t.Errorf("%s has severity %q", r.Alert, r.Labels["severity"])
			}
			if r.Labels["suite"] != "dmarc-suite" {
				t.Errorf("%s is not labelled as one of the suite", r.Alert)
			}
			if strings.Contains(r.Annotations["summary"], "{{") || !strings.HasSuffix(r.Annotations["summary"], ".") {
				t.Errorf("%s: the summary is no fixed sentence: %s", r.Alert, r.Annotations["summary"])
			}
			if !strings.HasSuffix(r.Annotations["description"], ".") {
				t.Errorf("%s: the description is no sentence: %s", r.Alert, r.Annotations["description"])
			}
			if uid, _, _ := strings.Cut(strings.TrimPrefix(r.Annotations["dashboard_url"], "/d/"), "?"); !uids[uid] {
				t.Errorf("%s links to the unknown dashboard %q", r.Alert, uid)
			}
			if subject(g.Name) != "slos" && !tested[r.Alert] {
				t.Errorf("%s has no two tests", r.Alert)
			}
		}
	}
	if n := len(tested); n < 45 {
		t.Errorf("%d alerts besides those of the SLOs, want 45", n)
	}
	for name := range alerts {
		if s.Config.RunbookURL == "" {
			t.Fatal("no URL of runbooks")
		}
		runbook, err := os.ReadFile("../../docs/runbooks/" + name + ".md")
		if err != nil {
			t.Error(err)
			continue
		}
		for _, want := range []string{"# " + name + "\n", "\n## Meaning\n", "\n## Diagnosis\n", "\n## Action\n", "```"} {
			if !strings.Contains(string(runbook), want) {
				t.Errorf("the runbook of %s lacks %q", name, want)
			}
		}
	}
	pages, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); !alerts[name] && name != "README" {
			t.Errorf("%s belongs to no alert", page)
		}
	}
}

// TestSLORules holds what recordings may cost.
func TestSLORules(t *testing.T) {
	s := mixin(t)
	rules, raw := map[string]int{}, map[string]int{}
	for _, g := range s.Rules.Groups {
		for _, r := range g.Rules {
			if r.Labels["suite"] != "dmarc-suite" {
				t.Errorf("%s is not labelled as one of the suite", r.Record)
			}
			name := r.Labels["slo"]
			if name == "" {
				continue
			}
			rules[name]++
			long := strings.Contains(r.Expr, "[5m") && !strings.Contains(r.Expr, "slo:")
			if !strings.Contains(r.Expr, "slo:") && r.Record != "slo:objective:ratio" {
				raw[name]++
				if !long {
					t.Errorf("%s of %s reads raw series, but not of 5 minutes: %s", r.Record, name, r.Expr)
				}
			}
		}
	}
	for _, o := range s.SLOs {
		if rules[o.Name] == 0 || rules[o.Name] > 16 || raw[o.Name] == 0 || raw[o.Name] > 3 {
			t.Errorf("%s has %d rules, %d of which read raw series, want 16 and 3 at most", o.Name, rules[o.Name], raw[o.Name])
		}
	}
}

// TestDashboards holds what every dashboard and panel must have.
func TestDashboards(t *testing.T) {
	s := mixin(t)
	panels, uids := 0, map[string]bool{}
	for file, d := range s.Dashboards {
		if d.UID+".json" != file || uids[d.UID] || len(d.UID) > 40 {
			t.Errorf("%s has uid %q", file, d.UID)
		}
		uids[d.UID] = true
		if d.Editable || d.Description == "" || len(d.Links) == 0 || len(d.Annotations.List) == 0 {
			t.Errorf("%s is editable, or lacks description, links or annotations", file)
		}
		if len(s.raw[file]) > 256<<10 {
			t.Errorf("%s does not fit into a ConfigMap of 256 kB", file)
		}
		variables := map[string]bool{}
		for _, v := range d.Templating.List {
			variables[v.Name] = true
		}
		for _, want := range []string{"datasource", "cluster", "job", "instance"} {
			if !variables[want] {
				t.Errorf("%s lacks the variable %s", file, want)
			}
		}
		titles, ids := map[string]bool{}, map[int]bool{}
		for _, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s has two panels %d", file, p.ID)
			}
			ids[p.ID] = true
			if p.Type == "row" {
				continue
			}
			panels++
			checkPanel(t, file, p, titles)
		}
		overlaps(t, file, d.Panels)
	}
	if panels < 90 {
		t.Errorf("%d panels, want 90", panels)
	}
}

func checkPanel(t *testing.T, file string, p panel, titles map[string]bool) {
	t.Helper()
	where := file + " " + p.Title
	if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" {
		t.Errorf("%s lacks title, description or unit", where)
	}
	titles[p.Title] = true
	if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
		t.Errorf("%s has no target or a fixed data source", where)
	}
	for _, target := range p.Targets {
		if target.Datasource.UID != "${datasource}" {
			t.Errorf("%s has a fixed data source", where)
		}
		if target.LegendFormat == "" {
			t.Errorf("%s has a target without legend", where)
		}
		if strings.Contains(target.Expr, "histogram_quantile") && !strings.Contains(target.Expr, "by (le") {
			t.Errorf("%s: a quantile without le: %s", where, target.Expr)
		}
		if file != "dmarc-slos.json" && !strings.Contains(target.Expr, `job=~"$job", instance=~"$instance"`) {
			t.Errorf("%s does not heed the variables: %s", where, target.Expr)
		}
	}
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
