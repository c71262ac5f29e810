package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool finds a program, or skips; with REQUIRE_SERVICES=1 it must be there.
func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("REQUIRE_SERVICES") == "1" {
		t.Fatalf("%s is missing (package %s)", name, pkg)
	}
	t.Skipf("%s is missing (package %s)", name, pkg)
	return ""
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", filepath.Base(name), args, err, tail(out))
	}
}

func tail(b []byte) []byte { return b[max(0, len(b)-4000):] }

// TestPromtool checks the rules and runs their tests as a user would.
func TestPromtool(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	files, err := filepath.Glob("../../rules/prometheus/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rule files: %v", err)
	}
	run(t, promtool, append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, files...)...)
	tests, err := filepath.Glob("*_test.yaml")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no tests of rules: %v", err)
	}
	cases, err := filepath.Glob("cases/*.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	tests = append(tests, cases...)
	parallel(t, len(tests), func(i int) string { return tests[i] }, func(t *testing.T, i int) {
		run(t, promtool, "test", "rules", tests[i])
	})
}

// TestPromtoolDashboards holds that the Prometheus of the path, which may be
// older than that of go.mod, understands what dashboards ask.
func TestPromtoolDashboards(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	asked := group{Name: "asked"}
	for file, d := range mixin(t).Dashboards {
		for i, p := range d.all() {
			for _, target := range p.Targets {
				if target.RawSQL != "" {
					continue
				}
				name := fmt.Sprintf("%s:%d:%s", strings.ReplaceAll(strings.TrimSuffix(file, ".json"), "-", "_"), i, target.RefID)
				asked.Rules = append(asked.Rules, rule{Record: name, Expr: dashboardVariables.Replace(target.Expr)})
			}
		}
	}
	if len(asked.Rules) < 250 {
		t.Fatalf("%d expressions, want those of all pages", len(asked.Rules))
	}
	run(t, promtool, "check", "rules", ruleFile(t, []group{asked}))
}
