package platform

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// peer is one end of a connection: a pod, or an address outside of the cluster.
type peer struct {
	namespace string
	labels    map[string]string
	ports     map[string]int32 // named ones
	address   string
}

// policiesOf returns the policies among objects.
func policiesOf(t *testing.T, all []object) []networking.NetworkPolicy {
	t.Helper()
	var policies []networking.NetworkPolicy
	for _, o := range all {
		if text(o, "kind") != "NetworkPolicy" {
			continue
		}
		encoded, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var p networking.NetworkPolicy
		if err := json.Unmarshal(encoded, &p); err != nil {
			t.Fatal(err)
		}
		policies = append(policies, p)
	}
	return policies
}

// matches reports whether a selector takes labels; none takes nothing here.
func matches(s *metav1.LabelSelector, set map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(set))
}

// isPeer reports whether a rule's peer, of a policy in a namespace, is p.
func isPeer(rule networking.NetworkPolicyPeer, namespace string, p peer) bool {
	if rule.IPBlock != nil {
		address, err := netip.ParseAddr(p.address)
		if err != nil {
			return false
		}
		in := func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(address) }
		return in(rule.IPBlock.CIDR) && !slices.ContainsFunc(rule.IPBlock.Except, in)
	}
	if p.address != "" {
		return false
	}
	if rule.NamespaceSelector == nil {
		if p.namespace != namespace {
			return false
		}
	} else if !matches(rule.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": p.namespace}) {
		return false
	}
	return rule.PodSelector == nil || matches(rule.PodSelector, p.labels)
}

// opens reports whether one of a rule's ports, which are those of target, is the port.
func opens(ports []networking.NetworkPolicyPort, target peer, protocol corev1.Protocol, port int32) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networking.NetworkPolicyPort) bool {
		number := p.Port.IntVal
		if p.Port.StrVal != "" {
			number = target.ports[p.Port.StrVal]
		}
		return *p.Protocol == protocol && number == port
	})
}

// connects evaluates the policies as the API defines them: a pod that any policy
// selects for a direction may only what one of them allows.
func connects(policies []networking.NetworkPolicy, from, to peer, protocol corev1.Protocol, port int32) bool {
	leaves, enters, isolatedFrom, isolatedTo := false, false, false, false
	for _, p := range policies {
		if from.address == "" && p.Namespace == from.namespace && matches(&p.Spec.PodSelector, from.labels) && slices.Contains(p.Spec.PolicyTypes, networking.PolicyTypeEgress) {
			isolatedFrom = true
			for _, rule := range p.Spec.Egress {
				leaves = leaves || opens(rule.Ports, to, protocol, port) && slices.ContainsFunc(rule.To, func(r networking.NetworkPolicyPeer) bool { return isPeer(r, p.Namespace, to) })
			}
		}
		if to.address == "" && p.Namespace == to.namespace && matches(&p.Spec.PodSelector, to.labels) && slices.Contains(p.Spec.PolicyTypes, networking.PolicyTypeIngress) {
			isolatedTo = true
			for _, rule := range p.Spec.Ingress {
				enters = enters || opens(rule.Ports, to, protocol, port) && slices.ContainsFunc(rule.From, func(r networking.NetworkPolicyPeer) bool { return isPeer(r, p.Namespace, from) })
			}
		}
	}
	return (leaves || !isolatedFrom) && (enters || !isolatedTo)
}

// TestReach evaluates the policies of production: who reaches whom, and who does not.
func TestReach(t *testing.T) {
	policies := policiesOf(t, build(t, "k8s/overlays/production"))
	exporter := func(name string, port int32) peer {
		return peer{namespace: "dmarc-monitoring", labels: map[string]string{"app.kubernetes.io/name": name}, ports: map[string]int32{"metrics": port}}
	}
	pod := func(namespace, key, value string) peer {
		return peer{namespace: namespace, labels: map[string]string{key: value}}
	}
	exporters := map[string]int32{"dmarc-exporter": 9797, "postgres-queries-exporter": 9187, "redis-exporter": 9121, "nginx-exporter": 9113}
	backends := []struct {
		exporter string
		pod      peer
		port     int32
	}{
		{"postgres-queries-exporter", pod("dmarc", "app", "postgres"), 5432},
		{"redis-exporter", pod("dmarc", "app", "redis"), 6379},
		{"nginx-exporter", pod("dmarc", "app", "frontend"), 8080},
		{"dmarc-exporter", peer{address: "203.0.113.25"}, 993},
	}
	check := func(what string, from, to peer, protocol corev1.Protocol, port int32, want bool) {
		t.Helper()
		if got := connects(policies, from, to, protocol, port); got != want {
			t.Errorf("%s: %t, want %t", what, got, want)
		}
	}
	for name, port := range exporters {
		e := exporter(name, port)
		check("Prometheus to "+name, pod("monitoring", "app.kubernetes.io/name", "prometheus"), e, corev1.ProtocolTCP, port, true)
		check("Prometheus to another port of "+name, pod("monitoring", "app.kubernetes.io/name", "prometheus"), e, corev1.ProtocolTCP, 80, false)
		check("Grafana to "+name, pod("monitoring", "app.kubernetes.io/name", "grafana"), e, corev1.ProtocolTCP, port, false)
		check("a false Prometheus to "+name, pod("dmarc", "app.kubernetes.io/name", "prometheus"), e, corev1.ProtocolTCP, port, false)
		check("the internet to "+name, peer{address: "203.0.113.25"}, e, corev1.ProtocolTCP, port, false)
		for other, otherPort := range exporters {
			check(name+" to "+other, e, exporter(other, otherPort), corev1.ProtocolTCP, otherPort, false)
		}
		for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP} {
			check(fmt.Sprintf("%s to DNS over %s", name, protocol), e, pod("kube-system", "k8s-app", "kube-dns"), protocol, 53, true)
		}
		for _, b := range backends {
			check(fmt.Sprintf("%s to port %d", name, b.port), e, b.pod, corev1.ProtocolTCP, b.port, b.exporter == name)
		}
		for _, address := range []string{"169.254.169.254", "10.0.0.1", "203.0.113.25"} {
			check(name+" to https on "+address, e, peer{address: address}, corev1.ProtocolTCP, 443, false)
		}
		check(name+" to a mailbox in the cluster's network", e, peer{address: "10.0.0.1"}, corev1.ProtocolTCP, 993, false)
	}
}

// TestDigestReaches lets the job that sends mails reach mail servers and DNS,
// and nobody else, and nobody it.
func TestDigestReaches(t *testing.T) {
	policies := policiesOf(t, with(t, "digest"))
	digest := peer{namespace: "dmarc-monitoring", labels: map[string]string{"app.kubernetes.io/name": "dmarc-digest"}}
	exporter := peer{namespace: "dmarc-monitoring", labels: map[string]string{"app.kubernetes.io/name": "dmarc-exporter"}, ports: map[string]int32{"metrics": 9797}}
	prometheus := peer{namespace: "monitoring", labels: map[string]string{"app.kubernetes.io/name": "prometheus"}}
	for _, tt := range []struct {
		from, to peer
		port     int32
		want     bool
	}{
		{digest, peer{address: "203.0.113.25"}, 587, true},
		{digest, peer{address: "203.0.113.25"}, 465, true},
		{digest, peer{namespace: "kube-system", labels: map[string]string{"k8s-app": "kube-dns"}}, 53, true},
		{digest, peer{address: "203.0.113.25"}, 443, false},
		{digest, peer{address: "169.254.169.254"}, 587, false},
		{digest, exporter, 9797, false},
		{prometheus, digest, 9797, false},
	} {
		if got := connects(policies, tt.from, tt.to, corev1.ProtocolTCP, tt.port); got != tt.want {
			t.Errorf("%v to %v, port %d: %t, want %t", tt.from, tt.to, tt.port, got, tt.want)
		}
	}
}
