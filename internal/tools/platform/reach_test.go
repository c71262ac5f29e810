package platform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
)

// monitoringNamespace is where the exporters are.
const monitoringNamespace = "dmarc-monitoring"

// neighbours are who the exporters have to do with, and who has no business with them.
var neighbours = []struct{ namespace, key, value string }{
	{"monitoring", "app.kubernetes.io/name", "prometheus"},
	{"monitoring", "app.kubernetes.io/name", "grafana"},
	{"dmarc", "app.kubernetes.io/name", "prometheus"}, // Not the one that may scrape.
	{"dmarc", "app", "postgres"},
	{"dmarc", "app", "redis"},
	{"dmarc", "app", "frontend"},
	{"dmarc", "app", "backend"},
	{"kube-system", "k8s-app", "kube-dns"},
}

// A provider of mail, an address of the cluster's network, and the one where
// clouds give out credentials.
const (
	outside, inside, metadata    = "203.0.113.25", "10.0.0.1", "169.254.169.254"
	outside6, inside6, metadata6 = "2001:db8::25", "fd00::1", "fd00:ec2::254"
)

// needs are the connections that must be possible besides those to DNS and from
// Prometheus, by the names of both ends. No other one of the exporters may be.
var needs = []struct {
	from, to string
	port     int32
	args     string // what the program is told if it needs this
}{
	{"dmarc-monitoring/dmarc-exporter", outside, 993, ""},
	{"dmarc-monitoring/dmarc-exporter", outside6, 993, ""},
	{"dmarc-monitoring/dmarc-exporter", "dmarc/postgres", 5432, "--state.shared"},
	{"dmarc-monitoring/postgres-queries-exporter", "dmarc/postgres", 5432, ""},
	{"dmarc-monitoring/redis-exporter", "dmarc/redis", 6379, ""},
	{"dmarc-monitoring/nginx-exporter", "dmarc/frontend", 8080, ""},
	{"dmarc-monitoring/dmarc-digest", outside, 465, ""},
	{"dmarc-monitoring/dmarc-digest", outside6, 465, ""},
	{"dmarc-monitoring/dmarc-digest", outside, 587, ""},
	{"dmarc-monitoring/dmarc-digest", outside6, 587, ""},
}

// stray is a pod of the exporters' namespace that nobody has thought of.
var stray = peer{name: monitoringNamespace + "/stray", namespace: monitoringNamespace}

// needed reports whether a connection must be possible.
func needed(from, to peer, protocol corev1.Protocol, port int32) bool {
	if from.namespace == monitoringNamespace && to.name == "kube-system/kube-dns" {
		return port == 53 && from.name != stray.name
	}
	if protocol != corev1.ProtocolTCP {
		return false
	}
	if from.name == "monitoring/prometheus" && to.namespace == monitoringNamespace {
		return port == to.ports["metrics"]
	}
	for _, n := range needs {
		if from.name == n.from && to.name == n.to && port == n.port && strings.Contains(from.args, n.args) {
			return true
		}
	}
	return false
}

// podPeer returns a pod as one end of a connection.
func podPeer(namespace string, set map[string]string, spec *corev1.PodSpec) peer {
	p := peer{name: namespace + "/" + cmp.Or(set["app.kubernetes.io/name"], set["app"], set["k8s-app"]), namespace: namespace, labels: set, ports: map[string]int32{}}
	for _, c := range spec.Containers {
		p.args += strings.Join(c.Args, " ")
		for _, port := range c.Ports {
			p.ports[port.Name] = port.ContainerPort
		}
	}
	return p
}

// count is how many of those that are wanted there are.
type count struct{ got, want int }

func (c count) String() string {
	if c.want == 0 {
		return "–"
	}
	return fmt.Sprintf("%d/%d", c.got, c.want)
}

// reach evaluates policies for every connection between pods, and to addresses,
// that one of the exporters has a part in. It returns how many of those that are
// needed are open, how many of the others closed, and which are not.
func reach(policies []networking.NetworkPolicy, peers []peer) (open, closed count, wrong []string) {
	peers = append(slices.Clone(peers), stray)
	for _, address := range []string{outside, inside, metadata, outside6, inside6, metadata6} {
		peers = append(peers, peer{name: address, address: address})
	}
	ports := []int32{53, 80, 443, 465, 587, 993, 5432, 6379, 8080, 9100, 9113, 9121, 9187, 9797}
	for i, from := range peers {
		for j, to := range peers {
			if i == j || from.namespace != monitoringNamespace && to.namespace != monitoringNamespace {
				continue
			}
			for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
				for _, port := range ports {
					want := needed(from, to, protocol, port)
					counted := &closed
					if want {
						counted = &open
					}
					counted.want++
					if got := connects(policies, from, to, protocol, port); got == want {
						counted.got++
					} else {
						wrong = append(wrong, fmt.Sprintf("%s to %s, %s port %d: %t, want %t", from.name, to.name, protocol, port, got, want))
					}
				}
			}
		}
	}
	return open, closed, wrong
}

// peersOf returns the pods of objects and their neighbours.
func peersOf(t *testing.T, all []object) []peer {
	t.Helper()
	var peers []peer
	for _, o := range all {
		if spec := podOf(t, o); spec != nil && !spec.HostNetwork { // Policies know nothing of the host's network.
			peers = append(peers, podPeer(text(o, "metadata", "namespace"), map[string]string{"app.kubernetes.io/name": text(o, "metadata", "name")}, spec))
		}
	}
	for _, n := range neighbours {
		peers = append(peers, podPeer(n.namespace, map[string]string{n.key: n.value}, &corev1.PodSpec{}))
	}
	return peers
}

// TestReach evaluates the policies: who reaches whom, and who does not.
func TestReach(t *testing.T) {
	for name, tt := range map[string]struct {
		all  []object
		open int // DNS and Prometheus, and what each exporter is for
	}{
		"production": {build(t, "k8s/overlays/production"), 4*2 + 4 + 5},
		"digest":     {with(t, "digest"), 5*2 + 4 + 5 + 4},
		"replicas":   {with(t, "replicas"), 4*2 + 4 + 6},
	} {
		open, closed, wrong := reach(policiesOf(t, tt.all), peersOf(t, tt.all))
		if len(wrong) > 0 || open.want != tt.open || closed.want < 1000 {
			t.Errorf("%s: %v open, want %d, and %v closed:\n%s", name, open, tt.open, closed, strings.Join(wrong, "\n"))
		}
	}
}

// TestReachSees takes each policy away, and opens a port to everybody.
func TestReachSees(t *testing.T) {
	all := build(t, "k8s/overlays/production")
	policies, peers := policiesOf(t, all), peersOf(t, all)
	for i, p := range policies {
		if _, _, wrong := reach(slices.Delete(slices.Clone(policies), i, i+1), peers); len(wrong) == 0 {
			t.Errorf("nobody misses policy %s", p.Name)
		}
		opened := slices.Clone(policies)
		opened[i].Spec.Ingress = []networking.NetworkPolicyIngressRule{{}}
		if _, _, wrong := reach(opened, peers); len(wrong) == 0 {
			t.Errorf("nobody notices that policy %s lets everybody in", p.Name)
		}
	}
}
