package tests

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const header = "# Generated from mixin/ by `make generate`. Do not edit.\n"

// TestGenerated compares the generated files with what the mixin gives now, and
// runs the tests of all alerts on the way: what they say is part of the files.
func TestGenerated(t *testing.T) {
	s := mixin(t)
	files := map[string][]byte{
		"../../docs/slos.md":                  []byte(s.Docs),
		"../../rules/alertmanager.yaml":       toYAML(t, s.Alertmanager),
		"../../rules/prometheusrule.yaml":     prometheusRules(t, s),
		"../../rules/kustomization.yaml":      toYAML(t, kustomization{"kustomize.config.k8s.io/v1beta1", "Kustomization", []string{"prometheusrule.yaml"}, nil, nil}),
		"../../dashboards/kustomization.yaml": dashboardsKustomization(t, s),
	}
	for name, g := range bySubject(s) {
		files["../../rules/prometheus/"+name+".yaml"] = toYAML(t, groups{g})
	}
	for name, raw := range s.raw {
		var b bytes.Buffer
		if err := json.Indent(&b, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		files["../../dashboards/"+name] = append(bytes.TrimSpace(b.Bytes()), '\n')
	}
	for name, u := range alertUnitTests(t) {
		files[name+"_test.yaml"] = toYAML(t, u)
	}
	for name, u := range sloUnitTests(t, s) {
		files[name+"_test.yaml"] = toYAML(t, u)
	}
	if t.Failed() {
		return
	}
	for _, name := range sortedKeys(files) {
		compare(t, name, files[name])
	}
	for _, pattern := range []string{"../../rules/*", "../../rules/prometheus/*", "../../dashboards/*", "*_test.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if info, err := os.Stat(name); err == nil && !info.IsDir() && files[name] == nil {
				t.Errorf("%s is not generated any more: delete it", name)
			}
		}
	}
}

func compare(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run make generate and commit", name)
	}
}

// bySubject are the groups of each rule file.
func bySubject(s *source) map[string][]group {
	out := map[string][]group{}
	for _, g := range slices.Concat(s.Rules.Groups, s.Alerts.Groups) {
		out[subject(g.Name)] = append(out[subject(g.Name)], g)
	}
	return out
}

func toYAML(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(header)
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type prometheusRule struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name   string            `yaml:"name"`
		Labels map[string]string `yaml:"labels"`
	} `yaml:"metadata"`
	Spec groups `yaml:"spec"`
}

// prometheusRules are the rules as objects of the Prometheus operator.
func prometheusRules(t *testing.T, s *source) []byte {
	t.Helper()
	out := []byte(header)
	subjects := bySubject(s)
	for i, name := range sortedKeys(subjects) {
		r := prometheusRule{APIVersion: "monitoring.coreos.com/v1", Kind: "PrometheusRule", Spec: groups{subjects[name]}}
		r.Metadata.Name = "dmarc-suite-" + name
		r.Metadata.Labels = s.Config.RuleLabels
		if i > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, bytes.TrimPrefix(toYAML(t, r), []byte(header))...)
	}
	return out
}

type kustomization struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Resources  []string          `yaml:"resources,omitempty"`
	Options    *generatorOptions `yaml:"generatorOptions,omitempty"`
	ConfigMaps []configMap       `yaml:"configMapGenerator,omitempty"`
}

type generatorOptions struct {
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
	NoHash      bool              `yaml:"disableNameSuffixHash"`
}

type configMap struct {
	Name  string   `yaml:"name"`
	Files []string `yaml:"files"`
}

// dashboardsKustomization makes a ConfigMap of each dashboard, for the sidecar of Grafana.
func dashboardsKustomization(t *testing.T, s *source) []byte {
	t.Helper()
	k := kustomization{APIVersion: "kustomize.config.k8s.io/v1beta1", Kind: "Kustomization", Options: &generatorOptions{
		Labels:      map[string]string{"app.kubernetes.io/part-of": "dmarc-suite", "grafana_dashboard": "1"},
		Annotations: map[string]string{"grafana_folder": "DMARC"},
		NoHash:      true,
	}}
	for _, name := range sortedKeys(s.raw) {
		k.ConfigMaps = append(k.ConfigMaps, configMap{"dashboard-" + strings.TrimSuffix(name, ".json"), []string{name}})
	}
	return toYAML(t, k)
}
