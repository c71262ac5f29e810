package platform

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// podOf returns the pod that a workload makes, or nil for other objects.
func podOf(t *testing.T, o object) *corev1.PodSpec {
	t.Helper()
	path := []string{"spec", "template", "spec"}
	switch text(o, "kind") {
	case "CronJob":
		path = append([]string{"spec", "jobTemplate"}, path...)
	case "Deployment", "DaemonSet", "StatefulSet", "Job":
	default:
		return nil
	}
	for _, step := range path {
		o, _ = o[step].(object)
	}
	encoded, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var spec corev1.PodSpec
	if err := json.Unmarshal(encoded, &spec); err != nil {
		t.Fatal(err)
	}
	return &spec
}

// level returns what the namespace of an object enforces, or "" without one.
func level(all []object, namespace string) api.Level {
	for _, o := range all {
		if text(o, "kind") == "Namespace" && text(o, "metadata", "name") == namespace {
			labels, _ := o["metadata"].(object)["labels"].(object)
			enforced, _ := labels["pod-security.kubernetes.io/enforce"].(string)
			return api.Level(enforced)
		}
	}
	return ""
}

// refusals asks the API server's own admission about a pod.
func refusals(t *testing.T, l api.Level, spec *corev1.PodSpec) string {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(api.LevelVersion{Level: l, Version: api.LatestVersion()}, &metav1.ObjectMeta{}, spec))
	if result.Allowed {
		return ""
	}
	return result.ForbiddenDetail()
}

// TestPodSecurity wants every pod admitted by the level that its namespace
// enforces, which is privileged for the node exporter alone.
func TestPodSecurity(t *testing.T) {
	sets := map[string][]object{}
	for _, overlay := range []string{"dev", "staging", "production"} {
		sets[overlay] = build(t, "k8s/overlays/"+overlay)
	}
	for _, c := range components(t) {
		if c != "application" {
			sets["base with "+c] = with(t, c)
		}
	}
	pods := 0
	for name, all := range sets {
		for _, o := range all {
			spec := podOf(t, o)
			if spec == nil {
				continue
			}
			pods++
			workload, namespace := text(o, "metadata", "name"), text(o, "metadata", "namespace")
			enforced := level(all, namespace)
			if want := map[bool]api.Level{true: api.LevelPrivileged, false: api.LevelRestricted}[workload == "node-exporter"]; enforced != want {
				t.Errorf("%s: namespace %s of %s enforces %q, want %q", name, namespace, workload, enforced, want)
			}
			if detail := refusals(t, enforced, spec); detail != "" {
				t.Errorf("%s: %s is refused: %s", name, workload, detail)
			}
		}
	}
	if pods < 40 {
		t.Errorf("only %d pods were asked about", pods)
	}
}

// TestApplicationIsRestricted adds the component to workloads that no
// restricted namespace admits.
func TestApplicationIsRestricted(t *testing.T) {
	for _, o := range parse(t, readFile(t, "testdata/application/workloads.yaml")) {
		if spec := podOf(t, o); refusals(t, api.LevelRestricted, spec) == "" {
			t.Errorf("%s is admitted without the component: it proves nothing", text(o, "metadata", "name"))
		}
	}
	all := build(t, "internal/tools/platform/testdata/application")
	kinds := map[string]int{}
	for _, o := range all {
		kind := text(o, "kind")
		kinds[kind]++
		spec := podOf(t, o)
		if spec == nil {
			continue
		}
		name := text(o, "metadata", "name")
		if detail := refusals(t, api.LevelRestricted, spec); detail != "" {
			t.Errorf("%s is refused: %s", name, detail)
		}
		if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken || len(spec.InitContainers) > 0 {
			t.Errorf("%s: token %v, init containers %v", name, spec.AutomountServiceAccountToken, spec.InitContainers)
		}
	}
	if kinds["RestrictedContexts"] != 0 || kinds["Role"] != 0 || kinds["ServiceAccount"] != 4 || kinds["ResourceQuota"] != 1 || kinds["LimitRange"] != 1 {
		t.Errorf("kinds %v", kinds)
	}
}

// TestMTLS wants each exporter to ask for a certificate, and the monitors to
// show one, of Secrets that cert-manager makes.
func TestMTLS(t *testing.T) {
	made := map[string]bool{}
	all := with(t, "prometheus-operator", "mtls")
	for _, o := range all {
		if text(o, "kind") == "Certificate" {
			made[text(o, "spec", "secretName")] = true
		}
	}
	deployments, monitors := 0, 0
	for _, o := range all {
		name := text(o, "metadata", "name")
		switch text(o, "kind") {
		case "Deployment":
			deployments++
			spec := podOf(t, o)
			if args := strings.Join(spec.Containers[0].Args, " "); !strings.Contains(args, "--web.config.file=/etc/web/web.yml") {
				t.Errorf("%s: arguments %s", name, args)
			}
			tls := false
			for _, v := range spec.Volumes {
				tls = tls || v.Secret != nil && v.Name == "web-tls" && made[v.Secret.SecretName]
			}
			if !tls || spec.Containers[0].ReadinessProbe.TCPSocket == nil || spec.Containers[0].ReadinessProbe.HTTPGet != nil {
				t.Errorf("%s: no certificate (%t), or a probe without one", name, tls)
			}
		case "ServiceMonitor":
			if name == "node-exporter" {
				continue // In the host's network, without the authority of this namespace.
			}
			monitors++
			endpoint := o["spec"].(object)["endpoints"].([]any)[0].(object)
			if text(endpoint, "scheme") != "https" || !made[text(endpoint, "tlsConfig", "cert", "secret", "name")] || !made[text(endpoint, "tlsConfig", "keySecret", "name")] {
				t.Errorf("%s: endpoint %v", name, endpoint)
			}
		}
	}
	if deployments != 4 || monitors != 4 {
		t.Errorf("%d deployments and %d monitors, want 4 of each", deployments, monitors)
	}
}

// TestLegacyPolicy wants the policy in no overlay, and the accounts of the
// namespace allowed to use it where it is added.
func TestLegacyPolicy(t *testing.T) {
	for _, overlay := range []string{"dev", "staging", "production"} {
		for _, o := range build(t, "k8s/overlays/"+overlay) {
			if text(o, "kind") == "PodSecurityPolicy" {
				t.Errorf("overlay %s has a PodSecurityPolicy, which no API has since 1.25", overlay)
			}
		}
	}
	policies := 0
	for _, o := range with(t, "legacy-psp") {
		if text(o, "kind") == "PodSecurityPolicy" {
			policies++
		}
	}
	if policies != 1 {
		t.Errorf("%d policies, want 1", policies)
	}
}
