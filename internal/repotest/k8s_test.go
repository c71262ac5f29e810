package repotest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// object is a Kubernetes object as kustomize writes it.
type object map[string]any

// get walks into an object; a missing step gives nil.
func (o object) get(path ...string) any {
	var v any = map[string]any(o)
	for _, step := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[step]
	}
	return v
}

func (o object) str(path ...string) string {
	s, _ := o.get(path...).(string)
	return s
}

func (o object) list(path ...string) []object {
	all, _ := o.get(path...).([]any)
	var out []object
	for _, v := range all {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// kustomize builds a directory below k8s with the pinned tool. Warnings are errors.
func kustomize(t *testing.T, dir string) []object {
	t.Helper()
	cmd := exec.Command("go", "tool", "-modfile="+filepath.Join("internal", "tools", "go.mod"), "kustomize", "build", dir)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath")) // as the Makefile compiles tools
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || strings.Contains(stderr.String(), "Warning") {
		t.Fatalf("kustomize build %s: %v\n%s", dir, err, stderr.String())
	}
	var all []object
	decoder := yaml.NewDecoder(bytes.NewReader(out))
	for {
		var o map[string]any
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		all = append(all, o)
	}
}

// find returns the object of a kind, namespace and name.
func find(all []object, kind, namespace, name string) object {
	for _, o := range all {
		if o.str("kind") == kind && o.str("metadata", "name") == name && o.str("metadata", "namespace") == namespace {
			return o
		}
	}
	return nil
}

// secretKeys returns the keys that a Secret will have, whoever makes it.
func secretKeys(all []object, namespace, name string) map[string]bool {
	keys := map[string]bool{}
	if o := find(all, "Secret", namespace, name); o != nil {
		data, _ := o.get("data").(map[string]any)
		for key := range data {
			keys[key] = true
		}
	}
	for _, o := range all {
		if o.str("kind") == "ExternalSecret" && o.str("metadata", "namespace") == namespace && o.str("spec", "target", "name") == name {
			for _, d := range o.list("spec", "data") {
				keys[d.str("secretKey")] = true
			}
		}
	}
	return keys
}

// TestKubernetes builds every overlay and holds that all that pods refer to is there.
func TestKubernetes(t *testing.T) {
	for _, overlay := range []string{"dev", "staging", "production"} {
		t.Run(overlay, func(t *testing.T) {
			all := kustomize(t, "k8s/overlays/"+overlay)
			workloads := 0
			for _, o := range all {
				if kind := o.str("kind"); (kind == "ConfigMap" || kind == "PrometheusRule") && o.str("metadata", "namespace") == "" {
					t.Errorf("%s %s has no namespace", kind, o.str("metadata", "name"))
				}
				if kind := o.str("kind"); kind == "Deployment" || kind == "DaemonSet" {
					workloads++
					checkWorkload(t, all, o)
				}
			}
			if workloads < 4 {
				t.Errorf("%d workloads, want at least 4", workloads)
			}
		})
	}
}

// checkWorkload checks one Deployment or DaemonSet and what it refers to.
func checkWorkload(t *testing.T, all []object, o object) {
	t.Helper()
	namespace, name := o.str("metadata", "namespace"), o.str("metadata", "name")
	spec := object(o.get("spec", "template", "spec").(map[string]any))
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s/%s: %s", namespace, name, fmt.Sprintf(format, args...))
	}
	if find(all, "Namespace", "", namespace) == nil {
		fail("no namespace")
	}
	account := find(all, "ServiceAccount", namespace, spec.str("serviceAccountName"))
	if account == nil || account.get("automountServiceAccountToken") != false {
		fail("no service account of its own without a token")
	}
	if spec.get("securityContext", "runAsNonRoot") != true || spec.str("securityContext", "seccompProfile", "type") != "RuntimeDefault" {
		fail("the pod's security context is not restricted")
	}
	volumes := map[string]bool{}
	for _, v := range spec.list("volumes") {
		volumes[v.str("name")] = true
		checkVolume(all, namespace, v, fail)
	}
	for _, c := range spec.list("containers") {
		checkContainer(c, volumes, fail)
	}
	service := find(all, "Service", namespace, name)
	if service == nil || service.str("spec", "selector", "app.kubernetes.io/name") != o.str("spec", "template", "metadata", "labels", "app.kubernetes.io/name") {
		fail("no service selects the pods")
	}
}

// checkVolume checks that what a volume comes from exists, with every key that
// the arguments and variables of the exporters read.
func checkVolume(all []object, namespace string, v object, fail func(string, ...any)) {
	if name := v.str("configMap", "name"); name != "" && find(all, "ConfigMap", namespace, name) == nil {
		fail("config map %s is missing", name)
	}
	if name := v.str("persistentVolumeClaim", "claimName"); name != "" && find(all, "PersistentVolumeClaim", namespace, name) == nil {
		fail("claim %s is missing", name)
	}
	if name := v.str("secret", "secretName"); name != "" {
		base, _, _ := strings.Cut(name, "-5") // the hash that a generator adds
		want := map[string]string{"dmarc-exporter": "imap-password", "postgres-queries-exporter": "dsn", "redis-exporter": "password"}
		for prefix, key := range want {
			if strings.HasPrefix(base, prefix) && !secretKeys(all, namespace, name)[key] {
				fail("secret %s has no key %s", name, key)
			}
		}
	}
}

func checkContainer(c object, volumes map[string]bool, fail func(string, ...any)) {
	image := c.str("image")
	if _, tag, ok := strings.Cut(image, ":"); !ok || tag == "latest" {
		fail("image %s has no tag", image)
	}
	if c.get("securityContext", "allowPrivilegeEscalation") != false || c.get("securityContext", "readOnlyRootFilesystem") != true {
		fail("the container's security context is not hardened")
	}
	for _, kind := range []string{"requests", "limits"} {
		for _, resource := range []string{"cpu", "memory"} {
			if c.str("resources", kind, resource) == "" {
				fail("no %s.%s", kind, resource)
			}
		}
	}
	ports := map[string]bool{}
	for _, p := range c.list("ports") {
		ports[p.str("name")] = true
	}
	for _, probe := range []string{"readinessProbe", "livenessProbe"} {
		if !ports[c.str(probe, "httpGet", "port")] {
			fail("%s asks a port that the container does not have", probe)
		}
	}
	for _, m := range c.list("volumeMounts") {
		if !volumes[m.str("name")] {
			fail("volume %s is missing", m.str("name"))
		}
	}
}

// TestPolicies holds that a policy opens each exporter's port to Prometheus and
// nothing else, beside a default that denies both ways.
func TestPolicies(t *testing.T) {
	all := kustomize(t, "k8s/base")
	deny := find(all, "NetworkPolicy", "dmarc-monitoring", "default-deny")
	if deny == nil || len(deny.get("spec", "policyTypes").([]any)) != 2 {
		t.Fatal("no policy denies both ways by default")
	}
	for _, o := range all {
		if o.str("kind") != "Deployment" {
			continue
		}
		name := o.str("metadata", "name")
		policy := find(all, "NetworkPolicy", "dmarc-monitoring", name)
		if policy == nil {
			t.Errorf("%s: no policy", name)
			continue
		}
		if policy.str("spec", "podSelector", "matchLabels", "app.kubernetes.io/name") != name {
			t.Errorf("%s: the policy selects other pods", name)
		}
		ingress := policy.list("spec", "ingress")
		if len(ingress) != 1 || len(ingress[0].list("from")) != 1 || ingress[0].list("ports")[0].str("port") != "metrics" {
			t.Errorf("%s: the policy opens something besides the metrics port to one peer", name)
		}
		dns := policy.list("spec", "egress")[0].list("ports")
		if len(dns) != 2 || dns[0].str("protocol") == dns[1].str("protocol") {
			t.Errorf("%s: DNS is not open over UDP and TCP", name)
		}
	}
}
