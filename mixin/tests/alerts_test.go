package tests

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/rules"
)

// unitTests is a file for promtool test rules.
type unitTests struct {
	RuleFiles          []string   `yaml:"rule_files"`
	EvaluationInterval string     `yaml:"evaluation_interval"`
	GroupEvalOrder     []string   `yaml:"group_eval_order,omitempty"`
	Tests              []unitTest `yaml:"tests"`
}

type unitTest struct {
	Name           string       `yaml:"name"`
	Interval       string       `yaml:"interval"`
	InputSeries    []series     `yaml:"input_series"`
	AlertRuleTests []alertCheck `yaml:"alert_rule_test"`
}

type series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type alertCheck struct {
	EvalTime  string     `yaml:"eval_time"`
	Alertname string     `yaml:"alertname"`
	ExpAlerts []expAlert `yaml:"exp_alerts"`
}

type expAlert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// subject is the part of a group's name that its files are called after.
func subject(group string) string {
	s := strings.TrimPrefix(group, "dmarc-suite-")
	if strings.HasPrefix(s, "slo-") {
		return "slos"
	}
	return strings.TrimSuffix(s, "-seen")
}

func (s *source) group(t *testing.T, name string) group {
	t.Helper()
	for _, g := range s.Alerts.Groups {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("no group %s", name)
	return group{}
}

// alertUnitTests runs both tests of each alert and returns them as files for
// promtool, by subject and interval: tests over days are evaluated less often.
// What an alert says when it fires is part of the file: it is reviewed there.
func alertUnitTests(t *testing.T) map[string]*unitTests {
	s := mixin(t)
	type job struct {
		subject, name string
		recordings    []group
		rule          rule
		fires         bool
		test          alertTest
	}
	var jobs []job
	for _, name := range sortedKeys(s.Tests) {
		g := s.group(t, name)
		for i, a := range s.Tests[name] {
			recordings := s.recordings(g.Rules[i])
			jobs = append(jobs, job{subject(name), a.Alert + " fires", recordings, g.Rules[i], true, a.Tests.Fires})
			if !a.Tests.Silent.Never {
				jobs = append(jobs, job{subject(name), a.Alert + " is silent", recordings, g.Rules[i], false, a.Tests.Silent})
			}
		}
	}
	tests := make([]unitTest, len(jobs))
	parallel(t, len(jobs), func(i int) string { return jobs[i].name }, func(t *testing.T, i int) {
		tests[i] = alertUnitTest(t, jobs[i].recordings, jobs[i].rule, jobs[i].name, jobs[i].fires, jobs[i].test)
	})
	out := map[string]*unitTests{}
	for i, j := range jobs {
		file := j.subject + "-" + tests[i].Interval
		if out[file] == nil {
			out[file] = &unitTests{
				RuleFiles:          []string{"../../rules/prometheus/" + j.subject + ".yaml"},
				EvaluationInterval: tests[i].Interval,
			}
			if all := bySubject(s)[j.subject]; len(all) > 1 { // Recordings come first.
				for _, g := range all {
					out[file].GroupEvalOrder = append(out[file].GroupEvalOrder, g.Name)
				}
			}
		}
		out[file].Tests = append(out[file].Tests, tests[i])
	}
	return out
}

// recordings are the groups that record what an alert about mail reads; tests of
// other alerts have recorded series among theirs.
func (s *source) recordings(alert rule) []group {
	var out []group
	for _, g := range s.Rules.Groups {
		if slices.ContainsFunc(g.Rules, func(r rule) bool { return subject(g.Name) == "dmarc" && strings.Contains(alert.Expr, r.Record+"{") }) {
			out = append(out, g)
		}
	}
	return out
}

func alertUnitTest(t *testing.T, recordings []group, r rule, name string, fires bool, c alertTest) unitTest {
	t.Helper()
	if c.Interval == "" {
		c.Interval = "1m"
	}
	if c.At == 0 {
		c.At = 20
	}
	interval, err := model.ParseDuration(c.Interval)
	if err != nil {
		t.Fatal(err)
	}
	l := look{time.Duration(c.At) * time.Duration(interval), r.Alert}
	got := firing(t, append(recordings, group{Name: "test", Rules: []rule{r}}), c.Series, time.Duration(interval), time.Duration(interval), []look{l})[l]
	if (len(got) > 0) != fires {
		t.Errorf("%s: %d alerts fire after %s", name, len(got), l.at)
	}
	u := unitTest{Name: name, Interval: c.Interval, AlertRuleTests: []alertCheck{check(t, l, got)}}
	for _, k := range sortedKeys(c.Series) {
		u.InputSeries = append(u.InputSeries, series{k, c.Series[k]})
	}
	return u
}

// check is what promtool shall expect, and holds that templates find their labels.
func check(t *testing.T, l look, got []*rules.Alert) alertCheck {
	t.Helper()
	c := alertCheck{EvalTime: model.Duration(l.at).String(), Alertname: l.alert, ExpAlerts: []expAlert{}}
	for _, a := range got {
		e := expAlert{Labels: a.Labels.Map(), Annotations: a.Annotations.Map()}
		delete(e.Labels, "alertname")
		for k, v := range e.Annotations {
			if strings.Contains(v, "<no value>") || strings.Contains(v, "error expanding") {
				t.Errorf("%s: %s: %s", l.alert, k, v)
			}
		}
		c.ExpAlerts = append(c.ExpAlerts, e)
	}
	return c
}

// sloUnitTests runs the generated tests of the SLOs and returns them as files
// for promtool, by how often rules are evaluated.
func sloUnitTests(t *testing.T, s *source) map[string]*unitTests {
	t.Helper()
	g := sloGroups(s)
	tests := make([]unitTest, len(s.SLOTests))
	parallel(t, len(tests), func(i int) string { return s.SLOTests[i].Name }, func(t *testing.T, i int) {
		tests[i] = sloUnitTest(t, g, s.SLOTests[i])
	})
	out := map[string]*unitTests{}
	for i, c := range s.SLOTests {
		name := "slos-" + c.every().String()
		if out[name] == nil {
			file := &unitTests{RuleFiles: []string{"../../rules/prometheus/slos.yaml"}, EvaluationInterval: c.every().String()}
			for _, group := range g {
				file.GroupEvalOrder = append(file.GroupEvalOrder, group.Name)
			}
			out[name] = file
		}
		out[name].Tests = append(out[name].Tests, tests[i])
	}
	return out
}

func sloUnitTest(t *testing.T, g []group, c sloTest) unitTest {
	t.Helper()
	var looks []look
	for _, k := range c.Checks {
		looks = append(looks, look{time.Duration(k.At) * time.Minute, k.Alert})
	}
	got := firing(t, g, c.Series, time.Minute, time.Duration(c.every()), looks)
	u := unitTest{Name: c.Name, Interval: "1m"}
	for _, k := range sortedKeys(c.Series) {
		u.InputSeries = append(u.InputSeries, series{k, c.Series[k]})
	}
	for i, k := range c.Checks {
		want := map[string]bool{}
		for _, name := range k.SLOs {
			want[name] = true
		}
		for _, a := range got[looks[i]] {
			name := a.Labels.Get("slo")
			if !want[name] {
				t.Errorf("%s: %s of %s fires after %d minutes", c.Name, k.Alert, name, k.At)
			}
			delete(want, name)
		}
		for name := range want {
			t.Errorf("%s: %s of %s is silent after %d minutes", c.Name, k.Alert, name, k.At)
		}
		u.AlertRuleTests = append(u.AlertRuleTests, check(t, looks[i], got[looks[i]]))
	}
	return u
}

// parallel runs n subtests at the same time and waits for them.
func parallel(t *testing.T, n int, name func(int) string, f func(t *testing.T, i int)) {
	t.Helper()
	t.Run("parallel", func(t *testing.T) {
		for i := range n {
			t.Run(name(i), func(t *testing.T) {
				t.Parallel()
				f(t, i)
			})
		}
	})
}

// sloGroups are all groups of the SLOs, recordings first.
func sloGroups(s *source) []group {
	var out []group
	for _, g := range slices.Concat(s.Rules.Groups, s.Alerts.Groups) {
		if subject(g.Name) == "slos" {
			out = append(out, g)
		}
	}
	return out
}
