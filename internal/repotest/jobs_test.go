package repotest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// suiteJobs returns the jobs of the suite's exporters that rules ask for.
func suiteJobs(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "rules/prometheus/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("rule files: %v", err)
	}
	var jobs []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`job=~?\\?"([a-z-]+-exporter)\\?"`).FindAllSubmatch(text, -1) {
			jobs = append(jobs, string(m[1]))
		}
	}
	slices.Sort(jobs)
	if jobs = slices.Compact(jobs); len(jobs) != 5 {
		t.Fatalf("jobs %q, want the five exporters", jobs)
	}
	return jobs
}

// targets returns the jobs that a Prometheus has on these objects: monitors that
// select a service, and annotated services.
func targets(all []object) []string {
	var jobs []string
	for _, service := range all {
		if service.str("kind") != "Service" {
			continue
		}
		job := service.str("metadata", "labels", "app.kubernetes.io/name")
		if port := service.str("metadata", "annotations", "prometheus.io/port"); regexp.MustCompile(`^\d+$`).MatchString(port) {
			jobs = append(jobs, job)
		}
		for _, monitor := range all {
			if monitor.str("kind") != "ServiceMonitor" || monitor.str("spec", "selector", "matchLabels", "app.kubernetes.io/name") != job {
				continue
			}
			namespaces, _ := monitor.get("spec", "namespaceSelector", "matchNames").([]any)
			if len(namespaces) == 0 {
				namespaces = []any{monitor.str("metadata", "namespace")}
			}
			if slices.Contains(namespaces, any(service.str("metadata", "namespace"))) {
				jobs = append(jobs, job)
			}
		}
	}
	return jobs
}

// TestEveryJobIsATarget holds that what alerts watch is scraped in every overlay
// and in the compose stack: an exporter that is not looks like one that is down.
// The chart is compared with the overlays.
func TestEveryJobIsATarget(t *testing.T) {
	jobs := suiteJobs(t)
	for _, overlay := range []string{"dev", "staging", "production"} {
		all := kustomize(t, "k8s/overlays/"+overlay)
		found := targets(all)
		for _, job := range jobs {
			if !slices.Contains(found, job) {
				t.Errorf("%s: nothing scrapes %s", overlay, job)
			}
		}
		for _, o := range all {
			// Whoever discovers them needs a Role where they are.
			if o.str("kind") == "ServiceMonitor" {
				for _, service := range all {
					namespace := service.str("metadata", "namespace")
					if service.str("kind") == "Service" && find(all, "Role", namespace, "prometheus-discovery") == nil {
						t.Errorf("%s: Prometheus may not discover services in %s", overlay, namespace)
					}
				}
				break
			}
		}
	}
	var scraped []string
	for _, job := range readYAML(t, "deploy/compose/prometheus/prometheus.yml").list("scrape_configs") {
		scraped = append(scraped, job.str("job_name"))
	}
	for _, job := range jobs {
		if !slices.Contains(scraped, job) {
			t.Errorf("compose: nothing scrapes %s", job)
		}
	}
}

// TestTextfileDirectory holds that a node exporter reads the files of the host's
// scripts wherever the suite is deployed: alerts about backups come from them.
func TestTextfileDirectory(t *testing.T) {
	for _, name := range []string{
		"k8s/components/node-exporter/node-exporter.yaml", "deploy/helm/dmarc-suite/templates/node-exporter.yaml",
		"deploy/compose/compose.monitoring.yaml", "deploy/systemd/node_exporter.service",
	} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "--collector.textfile.directory=") {
			t.Errorf("%s: no textfile directory", name)
		}
	}
}
