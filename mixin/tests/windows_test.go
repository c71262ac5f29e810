package tests

import (
	"encoding/json"
	"regexp"
	"testing"
)

// TestOtherWindows holds that a user may choose other windows: what alerts and
// dashboards read is recorded, and nothing is recorded in vain.
func TestOtherWindows(t *testing.T) {
	text, err := evaluate(`local m = (import 'mixin.libsonnet') + { _config+:: { slo+: { period: '28d', windows: [
  { name: '30m', long: '30m', short: '10m', factor: 13, severity: 'critical', 'for': '1m', spent: '1 %' },
  { name: '2d', long: '2d', short: '4h', factor: 2, severity: 'warning', 'for': '2h', spent: '14 %' },
] } } };
{ dashboards: m.grafanaDashboards, alerts: m.prometheusAlerts, rules: m.prometheusRules }`)
	if err != nil {
		t.Fatal(err)
	}
	s := new(source)
	if err := json.Unmarshal([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	recorded := map[string]bool{}
	for _, g := range s.Rules.Groups {
		for _, r := range g.Rules {
			recorded[r.Record] = true
		}
	}
	ratio := regexp.MustCompile(`slo:error_ratio:rate\w+`)
	read := map[string]bool{}
	for where, expr := range expressions(s) {
		for _, name := range ratio.FindAllString(expr, -1) {
			read[name] = true
			if !recorded[name] {
				t.Errorf("%s reads %s, which is not recorded: %s", where, name, expr)
			}
		}
	}
	for _, want := range []string{"5m", "10m", "30m", "4h", "2d", "28d"} {
		if name := "slo:error_ratio:rate" + want; !read[name] || !recorded[name] {
			t.Errorf("%s is read: %t, recorded: %t", name, read[name], recorded[name])
		}
	}
}
