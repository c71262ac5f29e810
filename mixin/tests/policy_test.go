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
