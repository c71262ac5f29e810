package platform

import (
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

// TestMain keeps quiet what the loader says of each symbolic link: the chart
// takes rules and dashboards from where they are generated.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// render renders the chart with values, as helm template does.
func render(t *testing.T, values string) ([]object, error) {
	t.Helper()
	chart, err := loader.LoadDir(filepath.Join(root, "deploy/helm/dmarc-suite"))
	if err != nil {
		t.Fatal(err)
	}
	var given object
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	release := chartutil.ReleaseOptions{Name: "dmarc-suite", Namespace: "dmarc-monitoring", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(chart, given, release, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return nil, err
	}
	var objects []object
	for name, text := range files {
		if !strings.HasSuffix(name, ".txt") {
			objects = append(objects, parse(t, text)...)
		}
	}
	return objects, nil
}

// generated matches a name with the suffix that changes with its content: both
// tools add one, of their own sum.
var generated = regexp.MustCompile(`^((?:dmarc|postgres-queries|redis)-exporter|exporters-web)-[0-9a-z]{10}$`)

// plain takes generated suffixes off, wherever a name is used.
func plain(v any) any {
	switch v := v.(type) {
	case string:
		return generated.ReplaceAllString(v, "$1")
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case object:
		out := object{}
		for k := range v {
			out[k] = plain(v[k])
		}
		return out
	}
	return v
}

// set returns objects by kind, namespace and name. Secrets with their content
// are the business of an overlay for laptops alone.
func set(t *testing.T, objects []object) map[string]object {
	t.Helper()
	all := map[string]object{}
	for _, o := range objects {
		o := plain(o).(object)
		if text(o, "kind") == "Secret" {
			continue
		}
		key := strings.Join([]string{text(o, "kind"), text(o, "metadata", "namespace"), text(o, "metadata", "name")}, "/")
		if all[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		all[key] = o
	}
	return all
}

const awsStore = `
externalSecrets:
  enabled: true
  serviceAccountAnnotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/dmarc-monitoring-secrets"}
  provider:
    aws: {service: SecretsManager, region: eu-central-1, auth: {jwt: {serviceAccountRef: {name: external-secrets}}}}
`

const vaultStore = `
externalSecrets:
  enabled: true
  serviceAccountLabels: {app.kubernetes.io/part-of: dmarc-suite}
  provider:
    vault:
      server: https://vault.example.com:8200
      path: secret
      version: v2
      auth: {kubernetes: {mountPath: kubernetes, role: dmarc-monitoring, serviceAccountRef: {name: external-secrets}}}
`

const gcpStore = `
externalSecrets:
  enabled: true
  serviceAccountAnnotations: {iam.gke.io/gcp-service-account: dmarc-monitoring@example-project.iam.gserviceaccount.com}
  provider:
    gcpsm:
      projectID: example-project
      secretVersionSelectionPolicy: LatestOrFail
      auth: {workloadIdentity: {clusterLocation: europe-west3, clusterName: production, serviceAccountRef: {name: external-secrets}}}
`

// chartCase is the chart with values, and the kustomization that gives the same.
type chartCase struct {
	name, values string
	want         []object
}

// charts covers the base, every component and every overlay.
func charts(t *testing.T) []chartCase {
	t.Helper()
	all := "nodeExporter: {enabled: true}\nserviceMonitors: {enabled: true}\ndashboards: {enabled: true}\nquota: {enabled: true}\nrbac: {enabled: true}\n"
	more := all + vaultStore + "certificate: {enabled: true}\nmtls: {enabled: true}\n"
	return []chartCase{
		{"base", "", build(t, "k8s/base")},
		{"dev", "nodeExporter: {enabled: true}\nscrapeAnnotations: {enabled: true}", build(t, "k8s/overlays/dev")},
		{"staging", all + awsStore, build(t, "k8s/overlays/staging")},
		{"production", all + awsStore, build(t, "k8s/overlays/production")},
		{"node-exporter", "nodeExporter: {enabled: true}", with(t, "node-exporter")},
		{"cert-manager", "certificate: {enabled: true}", with(t, "cert-manager")},
		{"mtls", "serviceMonitors: {enabled: true}\nmtls: {enabled: true}", with(t, "prometheus-operator", "mtls")},
		{"digest", "weeklyDigest: {enabled: true}", with(t, "digest")},
		{"replicas", "dmarcExporter: {replicas: {enabled: true}}", with(t, "replicas")},
		{"replicas-autoscaled", "dmarcExporter: {replicas: {enabled: true, autoscaling: {enabled: true}}}", with(t, "replicas-autoscaled")},
		{"external-secrets-vault", vaultStore, with(t, "external-secrets-vault")},
		{"external-secrets-gcp", gcpStore, with(t, "external-secrets-gcp")},
		{"everything with digest", more + "weeklyDigest: {enabled: true}", with(t, everything("digest")...)},
		{
			"everything with replicas-autoscaled", more + "dmarcExporter: {replicas: {enabled: true, autoscaling: {enabled: true}}}",
			with(t, everything("replicas-autoscaled")...),
		},
	}
}

// TestHelmEqualsKustomize wants the same objects from both.
func TestHelmEqualsKustomize(t *testing.T) {
	for _, tt := range charts(t) {
		t.Run(tt.name, func(t *testing.T) {
			objects, err := render(t, "namespace: {create: true}\n"+tt.values)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(set(t, tt.want), set(t, objects)); diff != "" {
				t.Errorf("kustomize (-) and Helm (+) differ:\n%s", diff)
			}
		})
	}
}

// TestHelmSwitches turns each exporter off and wants all of it gone, and an
// image by digest where one is given.
func TestHelmSwitches(t *testing.T) {
	whole, err := render(t, "serviceMonitors: {enabled: true}\n"+vaultStore)
	if err != nil {
		t.Fatal(err)
	}
	for value, name := range map[string]string{
		"dmarcExporter": "dmarc-exporter", "postgresQueriesExporter": "postgres-queries-exporter",
		"redisExporter": "redis-exporter", "nginxExporter": "nginx-exporter",
	} {
		objects, err := render(t, "serviceMonitors: {enabled: true}\n"+value+": {enabled: false}\n"+vaultStore)
		if err != nil {
			t.Fatal(err)
		}
		want := set(t, whole)
		maps.DeleteFunc(want, func(key string, _ object) bool { return strings.HasSuffix(key, "/"+name) })
		if diff := cmp.Diff(want, set(t, objects)); diff != "" {
			t.Errorf("without %s (-want +got):\n%s", name, diff)
		}
	}
	digest := "sha256:" + strings.Repeat("0a", 32)
	objects, err := render(t, "redisExporter: {digest: \""+digest+"\"}")
	if err != nil {
		t.Fatal(err)
	}
	deployment, err := yaml.Marshal(set(t, objects)["Deployment/dmarc-monitoring/redis-exporter"])
	if err != nil {
		t.Fatal(err)
	}
	if want := "image: ghcr.io/dmarc-suite/redis_exporter@" + digest + "\n"; !strings.Contains(string(deployment), want) {
		t.Errorf("the deployment has no %q", want)
	}
}

// TestHelmRefuses wants an error for values that would be ignored or dangerous.
func TestHelmRefuses(t *testing.T) {
	for name, values := range map[string]string{
		"a misspelt name":          "nodeExportr: {enabled: true}",
		"a misspelt name inside":   "nodeExporter: {enable: true}",
		"the tag latest":           "image: {tag: latest}",
		"half a digest":            "redisExporter: {digest: \"sha256:abc\"}",
		"a password in a value":    "redisExporter: {address: \"redis://:secret@redis:6379\"}",
		"a limit that is no text":  "redisExporter: {resources: {limits: {cpu: 1}}}",
		"a digest without reports": "weeklyDigest: {enabled: true}\ndmarcExporter: {enabled: false}",
		"a digest of replicas":     "weeklyDigest: {enabled: true}\ndmarcExporter: {replicas: {enabled: true}}",
		"one replica":              "dmarcExporter: {replicas: {enabled: true, count: 1}}",
		"a digest for nobody":      "weeklyDigest: {to: []}",
		"two stores":               "externalSecrets: {enabled: true, provider: {aws: {}, vault: {}}}",
	} {
		if _, err := render(t, values); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
