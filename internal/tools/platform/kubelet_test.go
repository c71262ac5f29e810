package platform

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// nodes are machines that nobody stands behind: the lab plays the parts of their
// kubelets and of the scheduler.
var nodes = []struct{ name, address string }{{"lab-1", "10.1.0.1"}, {"lab-2", "10.1.0.2"}}

// addNodes makes the nodes.
func (c *cluster) addNodes(t *testing.T) {
	t.Helper()
	for _, n := range nodes {
		node := object{"apiVersion": "v1", "kind": "Node", "metadata": object{"name": n.name, "labels": object{"kubernetes.io/os": "linux", "kubernetes.io/hostname": n.name}}}
		if _, err := c.apply(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	}
}

// nodeOf returns the node of a pod of a DaemonSet, or the first one.
func nodeOf(pod *corev1.Pod) (name, address string) {
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			for _, field := range term.MatchFields {
				for _, n := range nodes {
					if field.Key == metav1.ObjectNameField && field.Values[0] == n.name {
						return n.name, n.address
					}
				}
			}
		}
	}
	return nodes[0].name, nodes[0].address
}

// run gives each pod of a namespace that has none a node and an address, and
// calls it ready; those that are deleted end at once.
func (c *cluster) run(t *testing.T, namespace string) {
	t.Helper()
	here := c.client.Resource(pods).Namespace(namespace)
	for _, pod := range list[corev1.Pod](t, c, pods, namespace, metav1.ListOptions{}) {
		if pod.DeletionTimestamp != nil {
			now := int64(0)
			// It may be gone by itself by now.
			_ = here.Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
			continue
		}
		if pod.Spec.NodeName != "" || len(pod.OwnerReferences) == 0 {
			continue
		}
		node, host := nodeOf(&pod)
		binding := &unstructured.Unstructured{Object: object{
			"apiVersion": "v1", "kind": "Binding", "metadata": object{"name": pod.Name, "namespace": namespace},
			"target": object{"apiVersion": "v1", "kind": "Node", "name": node},
		}}
		if _, err := here.Create(t.Context(), binding, metav1.CreateOptions{}, "binding"); err != nil {
			continue // Its controller deleted it meanwhile: it is looked at again.
		}
		address := host
		if !pod.Spec.HostNetwork {
			c.addresses++
			address = fmt.Sprintf("10.2.%d.%d", c.addresses/250, 1+c.addresses%250)
		}
		var conditions []string
		for _, condition := range []corev1.PodConditionType{corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
			conditions = append(conditions, fmt.Sprintf(`{"type": %q, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}`, condition))
		}
		status := fmt.Sprintf(`{"status": {"phase": "Running", "hostIP": %q, "hostIPs": [{"ip": %q}], "podIP": %q, "podIPs": [{"ip": %q}], "conditions": [%s]}}`,
			host, host, address, address, strings.Join(conditions, ", "))
		_, err := here.Patch(t.Context(), pod.Name, types.MergePatchType, []byte(status), metav1.PatchOptions{}, "status")
		if err != nil {
			t.Fatalf("status of pod %s: %v", pod.Name, err)
		}
	}
}
