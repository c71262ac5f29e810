package platform

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var update = flag.Bool("update", false, "write the results of the lab to docs/kubernetes.md")

// labDoc is what the lab found.
const labDoc = root + "/docs/kubernetes.md"

// TestKubeLab applies everything to a real API server with its controllers. With
// -update it writes what it found into the documents, else it compares.
func TestKubeLab(t *testing.T) {
	bin := os.Getenv("KUBE_LAB")
	if bin == "" {
		t.Skip("KUBE_LAB is not set: make kube-lab sets it")
	}
	c := connect(t, startCluster(t, bin))
	c.addNodes(t)
	c.addNeighbours(t)
	version, err := c.found.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	var results []result
	sets := labSets(t)
	for _, s := range sets {
		t.Run(strings.ReplaceAll(s.name, " ", "-"), func(t *testing.T) {
			c.define(t, filepath.Join(bin, "crds"), customKinds(s.objects))
			results = append(results, c.try(t, s))
		})
	}
	if len(results) < len(sets) || t.Failed() {
		return // Only some of them were meant, or are right.
	}
	document := labDocument(version.GitVersion, results)
	if *update {
		if err := os.WriteFile(labDoc, document, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(readFile(t, labDoc), string(document)); diff != "" {
		t.Errorf("%s differs (-want +got), make kube-lab UPDATE=1 rewrites it:\n%s", labDoc, diff)
	}
}

// try applies a set, waits for its pods, asks about them, rolls them out, applies
// the set again, and takes it away.
func (c *cluster) try(t *testing.T, s labSet) result {
	t.Helper()
	r := result{name: s.name}
	all := slices.DeleteFunc(slices.Clone(s.objects), func(o object) bool { return c.isGone(t, o) })
	defer c.remove(t, all)
	for _, o := range all {
		r.objects.want++
		isWorkload := podOf(t, o) != nil
		if isWorkload {
			r.templates.want++
		}
		_, err := c.apply(t.Context(), o)
		warned := c.warnings.take()
		switch {
		case err != nil:
			t.Errorf("%s %s is refused: %v", text(o, "kind"), text(o, "metadata", "name"), err)
			continue
		case len(warned) > 0:
			t.Errorf("%s %s: the API warns: %s", text(o, "kind"), text(o, "metadata", "name"), strings.Join(warned, "; "))
		case isWorkload:
			r.templates.got++
		}
		r.objects.got++
	}
	workloads := c.workloadsOf(t, all)
	r.pods = c.settle(t, workloads)
	if t.Failed() {
		return r
	}
	found := c.targets(t, all)
	policies := list[networking.NetworkPolicy](t, c, networkPolicies, "", metav1.ListOptions{})
	prometheus := podPeer("monitoring", map[string]string{"app.kubernetes.io/name": "prometheus"}, &corev1.PodSpec{})
	var running []corev1.Pod
	for _, namespace := range namespacesOf(all) {
		running = append(running, list[corev1.Pod](t, c, pods, namespace, metav1.ListOptions{})...)
	}
	if slices.ContainsFunc(all, isScraped) {
		var missing []string
		r.targets, missing = reached(found, running, func(to peer, port int32) bool {
			return connects(policies, prometheus, to, corev1.ProtocolTCP, port)
		})
		if len(missing) > 0 {
			t.Errorf("Prometheus does not scrape %s; it finds %v", strings.Join(missing, ", "), found)
		}
	}
	var wrong []string
	if slices.Contains(namespacesOf(all), monitoringNamespace) {
		r.open, r.closed, wrong = reach(policies, c.peers(t))
	}
	if len(wrong) > 0 {
		t.Errorf("policies:\n%s", strings.Join(wrong, "\n"))
	}
	c.checkRefusals(t, all)
	c.rollOut(t, workloads)
	c.checkDrift(t, all)
	return r
}

// isGone reports whether an object is the one of a kind that no API server has had
// for years, and that must still be unknown.
func (c *cluster) isGone(t *testing.T, o object) bool {
	if text(o, "kind") != "PodSecurityPolicy" {
		return false
	}
	if _, err := c.at(o); err == nil {
		t.Error("the API server knows PodSecurityPolicies")
	}
	return true
}

// peers returns the pods that policies are about, as the API has them.
func (c *cluster) peers(t *testing.T) []peer {
	t.Helper()
	var peers []peer
	for _, namespace := range []string{monitoringNamespace, "monitoring", "dmarc", "kube-system"} {
		for _, pod := range list[corev1.Pod](t, c, pods, namespace, metav1.ListOptions{}) {
			if !pod.Spec.HostNetwork && pod.DeletionTimestamp == nil {
				peers = append(peers, podPeer(namespace, pod.Labels, &pod.Spec))
			}
		}
	}
	return peers
}
