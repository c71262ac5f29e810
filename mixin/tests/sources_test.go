package tests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestApplicationSources holds that objectives that are measured by the metrics
// of the application alert as the others do: the same cases, with its series.
func TestApplicationSources(t *testing.T) {
	s, err := compile(forApplication + ` + {
	  _slos:: std.filter(function(s) std.member(['availability', 'latency', 'database', 'tasks-parsing'], s.name), super._slos),
	}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range s.SLOs {
		if strings.HasPrefix(o.Metric, "nginx_") || strings.HasPrefix(o.Metric, "pg_") || strings.HasPrefix(o.Metric, "dmarc_") {
			t.Errorf("%s is measured by %s, which is not of the application", o.Name, o.Metric)
		}
	}
	// What is left of a budget does not depend on where its events come from.
	s.SLOTests = slices.DeleteFunc(s.SLOTests, func(c sloTest) bool { return strings.HasPrefix(c.Name, "SLOBudget") })
	files := sloUnitTests(t, s)
	if t.Failed() {
		return
	}
	promtool := tool(t, "promtool", "prometheus")
	dir := t.TempDir()
	write := func(name string, v any) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, toYAML(t, v), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := write("slos.yaml", groups{sloGroups(s)})
	run(t, promtool, "check", "rules", "--lint=all", "--lint-fatal", rules)
	names := sortedKeys(files)
	parallel(t, len(names), func(i int) string { return names[i] }, func(t *testing.T, i int) {
		files[names[i]].RuleFiles = []string{rules}
		run(t, promtool, "test", "rules", write(names[i]+"_test.yaml", files[names[i]]))
	})
}
