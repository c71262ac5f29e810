package repotest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// readYAML reads a file of the repository.
func readYAML(t *testing.T, name string) object {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	var o map[string]any
	if err := yaml.Unmarshal(data, &o); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return o
}

// TestCompose holds that the stack is whole: pinned images, limits, ports on
// loopback, no default passwords, and every target of Prometheus in reach.
func TestCompose(t *testing.T) {
	const dir = "deploy/compose/"
	stack := readYAML(t, dir+"compose.monitoring.yaml")
	services, ok := stack.get("services").(map[string]any)
	if !ok {
		t.Fatal("no services")
	}
	networks := map[string][]any{}
	for name, v := range services {
		s := object(v.(map[string]any))
		if image := s.str("image"); !strings.Contains(image, ":") || strings.HasSuffix(image, ":latest") {
			t.Errorf("%s: image %q is not pinned", name, image)
		}
		for _, field := range []string{"mem_limit", "restart", "healthcheck", "cap_drop"} {
			if s.get(field) == nil {
				t.Errorf("%s: no %s", name, field)
			}
		}
		networks[name], _ = s.get("networks").([]any)
		ports, _ := s.get("ports").([]any)
		for _, port := range ports {
			if !strings.HasPrefix(port.(string), "127.0.0.1:") {
				t.Errorf("%s: port %v is open beyond loopback", name, port)
			}
		}
	}
	for _, job := range readYAML(t, dir+"prometheus/prometheus.yml").list("scrape_configs") {
		target := job.list("static_configs")[0].get("targets").([]any)[0].(string)
		host, _, _ := strings.Cut(target, ":")
		hosts, _ := stack.get("services", "prometheus", "extra_hosts").([]any)
		named := slices.ContainsFunc(hosts, func(h any) bool { return strings.HasPrefix(h.(string), host+":") })
		if host != "127.0.0.1" && !named && !slices.Contains(networks[host], any("monitoring")) {
			t.Errorf("target %s is no service on Prometheus' network, and no host that it knows", target)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, dir, "compose.monitoring.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(filepath.Join(root, dir, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(string(text), -1) {
		if m[1] != "POSTGRES_SSLMODE" && m[1] != "PROMETHEUS_RETENTION" && !strings.Contains(string(example), "\n"+m[1]+"=") {
			t.Errorf("%s is not in .env.example", m[1])
		}
	}
	if m := regexp.MustCompile(`(?i)password[^\n]*:-`).Find(text); m != nil {
		t.Errorf("a default password: %s", m)
	}
}

// TestPrometheusReadsRules holds that the folder mounted for Prometheus has rule
// files and nothing else: one file of another kind stops its start.
func TestPrometheusReadsRules(t *testing.T) {
	const dir = "deploy/compose/"
	volumes, _ := readYAML(t, dir+"compose.monitoring.yaml").get("services", "prometheus", "volumes").([]any)
	mounted := ""
	for _, v := range volumes {
		if source, ok := strings.CutSuffix(v.(string), ":/etc/prometheus/rules:ro"); ok {
			mounted = source
		}
	}
	files, err := filepath.Glob(filepath.Join(root, dir, mounted, "*.yaml"))
	if err != nil || mounted == "" || len(files) == 0 {
		t.Fatalf("%d rule files in %q, %v", len(files), mounted, err)
	}
	for _, file := range files {
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		if len(readYAML(t, name).list("groups")) == 0 {
			t.Errorf("%s has no groups: Prometheus refuses it", name)
		}
	}
}

// TestBudgetGate holds that the deployment gate asks for a series that the
// rules record: an unknown name has no data, and the gate stays closed.
func TestBudgetGate(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root, "deploy/ci/budget"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(filepath.Join(root, "rules/prometheus/slos.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`BUDGET_QUERY:-([\w:]+)`).FindSubmatch(script)
	if m == nil || !regexp.MustCompile(`record"?: "?`+regexp.QuoteMeta(string(m[1]))+`\b`).Match(rules) {
		t.Errorf("no rule records %q", m)
	}
}

// TestLokiRetention holds what deletes logs after 30 days on Loki 3.
func TestLokiRetention(t *testing.T) {
	c := readYAML(t, "deploy/compose/loki/loki.yml")
	for path, want := range map[string]any{
		"compactor.retention_enabled":              true,
		"compactor.delete_request_store":           "filesystem",
		"limits_config.retention_period":           "720h",
		"limits_config.reject_old_samples_max_age": "168h",
	} {
		if got := c.get(strings.Split(path, ".")...); got != want {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	}
	if s := c.list("schema_config", "configs")[0]; s.str("store") != "tsdb" || s.str("schema") != "v13" {
		t.Errorf("schema %v, want tsdb v13", s)
	}
}

// TestSystemdUnits asks systemd how exposed the services are: at most 1.5, and
// 3.5 for node_exporter and suite_exporter, which have to look at the whole host. Backups need the
// files of the database and their own, so they get 2.5.
func TestSystemdUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze")
	}
	units, err := filepath.Glob(filepath.Join(root, "deploy/systemd/*.service"))
	if err != nil || len(units) != 7 {
		t.Fatalf("%d units, %v, want 7", len(units), err)
	}
	backups, err := filepath.Glob(filepath.Join(root, "deploy/dr/systemd/*.service"))
	if err != nil || len(backups) != 3 {
		t.Fatalf("%d units of backups, %v, want 3", len(backups), err)
	}
	for _, unit := range append(units, backups...) {
		out, err := exec.Command(analyze, "security", "--offline=true", unit).CombinedOutput()
		m := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
		if m == nil {
			t.Fatalf("%s: %v\n%s", unit, err, out)
		}
		exposure, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		limit := 1.5
		switch {
		case strings.Contains(unit, "node_exporter"), strings.Contains(unit, "suite_exporter"):
			limit = 3.5
		case strings.Contains(unit, "/dr-"):
			limit = 2.5
		}
		if exposure > limit {
			t.Errorf("%s: exposure %v, want at most %v", filepath.Base(unit), exposure, limit)
		}
	}
}

// TestUnitsHoldTheirProcesses wants a bound of memory and of threads in each
// service, and the sockets of the documented set-ups.
func TestUnitsHoldTheirProcesses(t *testing.T) {
	units, err := filepath.Glob(filepath.Join(root, "deploy/systemd/*.service"))
	if err != nil || len(units) == 0 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`(?m)^MemoryHigh=\d+M$`, `(?m)^MemoryMax=\d+M$`, `(?m)^TasksMax=\d+$`, `(?m)^RestrictAddressFamilies=.*\bAF_UNIX\b`} {
			if !regexp.MustCompile(want).Match(text) {
				t.Errorf("%s has no line %s", filepath.Base(unit), want)
			}
		}
	}
}

// TestInstallIsShort holds each way to install within ten commands, of files
// that are there.
func TestInstallIsShort(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/install.md"))
	if err != nil {
		t.Fatal(err)
	}
	version, err := os.ReadFile(filepath.Join(root, "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		name, _, _ := strings.Cut(section, "\n")
		blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(section, -1)
		if len(blocks) == 0 {
			t.Errorf("%s: no commands", name)
		}
		for _, block := range blocks {
			if n := strings.Count(block[1], "\n"); n > 10 {
				t.Errorf("%s: %d commands, want at most 10", name, n)
			}
			for _, path := range regexp.MustCompile(`\b(?:k8s|deploy)/[\w./-]+`).FindAllString(block[1], -1) {
				if _, err := os.Stat(filepath.Join(root, path)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	for _, m := range regexp.MustCompile(`[-_](\d+\.\d+\.\d+)[-._]`).FindAllStringSubmatch(string(text), -1) {
		if m[1] != strings.TrimSpace(string(version)) {
			t.Errorf("version %s, VERSION says %s", m[1], version)
		}
	}
}

// TestVersionIsTheSame holds what is deployed to VERSION: the chart, the
// manifests and the compose stack.
func TestVersionIsTheSame(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(string(text))
	for name, pattern := range map[string]string{
		"deploy/helm/dmarc-suite/Chart.yaml":              `(?m)^(?:version|appVersion): (.*)$`,
		"k8s/base/kustomization.yaml":                     `newTag: v(.*)`,
		"k8s/components/node-exporter/kustomization.yaml": `newTag: v(.*)`,
		"k8s/components/digest/kustomization.yaml":        `newTag: v(.*)`,
		"deploy/compose/compose.monitoring.yaml":          `dmarc-suite/\w+:v(.*)`,
	} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no version", name)
		}
		for _, m := range found {
			if m[1] != version {
				t.Errorf("%s says %s, VERSION %s", name, m[1], version)
			}
		}
	}
}

// TestLogFormat holds that nginx writes in the compose stack what its exporter
// reads by default.
func TestLogFormat(t *testing.T) {
	format := regexp.MustCompile(`(?s)map \$uri \$route \{.*?r=\$route';`)
	var found []string
	for _, name := range []string{"docs/nginx.md", "deploy/compose/nginx/prometheus_log.conf"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, format.FindString(string(text)))
	}
	if found[0] == "" || found[0] != found[1] {
		t.Errorf("docs/nginx.md has\n%s\nand the compose stack\n%s", found[0], found[1])
	}
}
