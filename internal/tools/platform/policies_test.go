package platform

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// peer is one end of a connection: a pod, or an address outside of the cluster.
type peer struct {
	name      string // of what runs there, behind its namespace, or the address
	namespace string
	labels    map[string]string
	ports     map[string]int32 // named ones
	args      string
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

// allows reports whether a rule has the other end and the port of target. A rule
// that names no end allows every one, and one that names no port allows all.
func allows(ends []networking.NetworkPolicyPeer, ports []networking.NetworkPolicyPort, namespace string, other, target peer, protocol corev1.Protocol, port int32) bool {
	if len(ends) > 0 && !slices.ContainsFunc(ends, func(r networking.NetworkPolicyPeer) bool { return isPeer(r, namespace, other) }) {
		return false
	}
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networking.NetworkPolicyPort) bool {
		if p.Protocol != nil && *p.Protocol != protocol || p.Protocol == nil && protocol != corev1.ProtocolTCP {
			return false
		}
		switch {
		case p.Port == nil:
			return true
		case p.Port.Type == intstr.String:
			return target.ports[p.Port.StrVal] == port
		case p.EndPort != nil:
			return p.Port.IntVal <= port && port <= *p.EndPort
		}
		return p.Port.IntVal == port
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
				leaves = leaves || allows(rule.To, rule.Ports, p.Namespace, to, to, protocol, port)
			}
		}
		if to.address == "" && p.Namespace == to.namespace && matches(&p.Spec.PodSelector, to.labels) && slices.Contains(p.Spec.PolicyTypes, networking.PolicyTypeIngress) {
			isolatedTo = true
			for _, rule := range p.Spec.Ingress {
				enters = enters || allows(rule.From, rule.Ports, p.Namespace, from, to, protocol, port)
			}
		}
	}
	return (leaves || !isolatedFrom) && (enters || !isolatedTo)
}

// TestConnects holds the evaluation to what the API defines of rules that say little.
func TestConnects(t *testing.T) {
	here, there := peer{namespace: "a", ports: map[string]int32{"web": 80}}, peer{namespace: "b"}
	udp := corev1.ProtocolUDP
	for _, tt := range []struct {
		name, rules string
		want        bool
	}{
		{"no rule", `[]`, false},
		{"a rule for everybody", `[{}]`, true},
		{"any port of one namespace", `[{"from": [{"namespaceSelector": {}}]}]`, true},
		{"pods of the same namespace", `[{"from": [{"podSelector": {}}]}]`, false},
		{"a number", `[{"ports": [{"port": 80}]}]`, true},
		{"another number", `[{"ports": [{"port": 81}]}]`, false},
		{"a name", `[{"ports": [{"port": "web"}]}]`, true},
		{"a name that is not there", `[{"ports": [{"port": "metrics"}]}]`, false},
		{"a range", `[{"ports": [{"port": 79, "endPort": 80}]}]`, true},
		{"a range below", `[{"ports": [{"port": 70, "endPort": 79}]}]`, false},
		{"a protocol", `[{"ports": [{"protocol": "TCP"}]}]`, true},
		{"another protocol", `[{"ports": [{"protocol": "UDP", "port": 80}]}]`, false},
		{"an address", `[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]`, false},
	} {
		policy := networking.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "a"}}
		policy.Spec.PolicyTypes = []networking.PolicyType{networking.PolicyTypeIngress}
		if err := json.Unmarshal([]byte(tt.rules), &policy.Spec.Ingress); err != nil {
			t.Fatal(err)
		}
		if got := connects([]networking.NetworkPolicy{policy}, there, here, corev1.ProtocolTCP, 80); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
		if !connects([]networking.NetworkPolicy{policy}, here, there, udp, 53) {
			t.Errorf("%s: it closes the other direction", tt.name)
		}
	}
}
