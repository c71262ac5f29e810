package platform

import (
	"slices"
	"strconv"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// target is a port of a pod that Prometheus scrapes.
type target struct {
	job, pod string
	port     int32
}

// discoveryRole is what lets Prometheus find the exporters of a namespace.
const discoveryRole = "prometheus-discovery"

// isScraped reports whether an object has Prometheus scrape something.
func isScraped(o object) bool {
	return text(o, "kind") == "ServiceMonitor" || text(o, "kind") == "Service" && text(o, "metadata", "annotations", "prometheus.io/scrape") == "true"
}

// targets returns what Prometheus finds: by monitors, which its operator turns
// into jobs, and by annotations of Services. Where a Role is there for it, it is
// Prometheus's account that looks, and no other.
func (c *cluster) targets(t *testing.T, all []object) []target {
	t.Helper()
	look := func(namespace string) *cluster {
		for _, o := range all {
			if text(o, "kind") == "Role" && text(o, "metadata", "name") == discoveryRole && text(o, "metadata", "namespace") == namespace {
				return c.prometheus(t)
			}
		}
		return c
	}
	var found []target
	for _, o := range all {
		if text(o, "kind") != "ServiceMonitor" {
			continue
		}
		for _, m := range list[monitoring.ServiceMonitor](t, c, monitors, text(o, "metadata", "namespace"), metav1.ListOptions{FieldSelector: "metadata.name=" + text(o, "metadata", "name")}) {
			searched := m.Spec.NamespaceSelector.MatchNames
			if len(searched) == 0 {
				searched = []string{m.Namespace}
			}
			for _, namespace := range searched {
				for _, s := range list[corev1.Service](t, look(namespace), services, namespace, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&m.Spec.Selector)}) {
					for _, e := range m.Spec.Endpoints {
						found = append(found, endpoints(t, look(namespace), &s, s.Labels[m.Spec.JobLabel], func(p discovery.EndpointPort) bool { return *p.Name == e.Port })...)
					}
				}
			}
		}
	}
	for _, o := range all {
		if text(o, "kind") != "Service" {
			continue
		}
		namespace := text(o, "metadata", "namespace")
		for _, s := range list[corev1.Service](t, c, services, namespace, metav1.ListOptions{FieldSelector: "metadata.name=" + text(o, "metadata", "name")}) {
			if s.Annotations["prometheus.io/scrape"] == "true" {
				found = append(found, endpoints(t, c, &s, s.Name, func(p discovery.EndpointPort) bool {
					return strconv.Itoa(int(*p.Port)) == s.Annotations["prometheus.io/port"]
				})...)
			}
		}
	}
	return found
}

// anyPort means all of them.
func anyPort(discovery.EndpointPort) bool { return true }

// endpoints returns the ready addresses of a Service at the ports that are meant.
func endpoints(t *testing.T, c *cluster, s *corev1.Service, job string, meant func(discovery.EndpointPort) bool) []target {
	t.Helper()
	var found []target
	for _, slice := range list[discovery.EndpointSlice](t, c, endpointSlices, s.Namespace, metav1.ListOptions{LabelSelector: discovery.LabelServiceName + "=" + s.Name}) {
		for _, p := range slice.Ports {
			for _, e := range slice.Endpoints {
				if meant(p) && e.Conditions.Ready != nil && *e.Conditions.Ready && e.TargetRef != nil {
					found = append(found, target{job, e.TargetRef.Namespace + "/" + e.TargetRef.Name, *p.Port})
				}
			}
		}
	}
	return found
}

// reached counts the pods with metrics that Prometheus finds once, under the name
// that rules ask for, and that policies let it reach.
func reached(found []target, running []corev1.Pod, allowed func(to peer, port int32) bool) (n count, missing []string) {
	for _, pod := range running {
		p := podPeer(pod.Namespace, pod.Labels, &pod.Spec)
		port, ok := p.ports["metrics"]
		if !ok {
			continue
		}
		n.want++
		want := target{pod.Labels["app.kubernetes.io/name"], pod.Namespace + "/" + pod.Name, port}
		times := len(slices.DeleteFunc(slices.Clone(found), func(f target) bool { return f != want }))
		if times == 1 && (pod.Spec.HostNetwork || allowed(p, port)) {
			n.got++
		} else {
			missing = append(missing, pod.Namespace+"/"+pod.Name)
		}
	}
	return n, missing
}

// TestReached counts pods that are found twice, under another job, at another
// port or behind a policy as not reached.
func TestReached(t *testing.T) {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "x-1", Labels: map[string]string{"app.kubernetes.io/name": "x"}}}
	pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 9100}}}}
	other := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "without-metrics"}}
	right := target{"x", "a/x-1", 9100}
	for _, tt := range []struct {
		name  string
		found []target
		open  bool
		want  int
	}{
		{"found", []target{right}, true, 1},
		{"not found", nil, true, 0},
		{"found twice", []target{right, right}, true, 0},
		{"another job", []target{{"y", "a/x-1", 9100}}, true, 0},
		{"another port", []target{{"x", "a/x-1", 80}}, true, 0},
		{"behind a policy", []target{right}, false, 0},
	} {
		n, missing := reached(tt.found, []corev1.Pod{pod, other}, func(peer, int32) bool { return tt.open })
		if n != (count{tt.want, 1}) || len(missing) != 1-tt.want {
			t.Errorf("%s: %v, missing %v", tt.name, n, missing)
		}
	}
}
