package platform

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// workload is what makes pods.
type workload struct {
	object
	labels labels.Set // of its pods
	pods   int        // how many there should be
}

func unstructuredOf(v any) (object, error) {
	return runtime.DefaultUnstructuredConverter.ToUnstructured(v)
}

// typed reads an object back into its type.
func typed[T any](t *testing.T, c *cluster, o object) T {
	t.Helper()
	var v T
	got, err := c.get(t.Context(), o)
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(got.Object, &v)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", text(o, "kind"), text(o, "metadata", "name"), err)
	}
	return v
}

// workloadsOf returns the workloads among objects, with the pods that they want
// at most: an autoscaled one is scaled up, and a CronJob is started.
func (c *cluster) workloadsOf(t *testing.T, all []object) []workload {
	t.Helper()
	most := map[string]int{}
	for _, o := range all {
		if text(o, "kind") == "HorizontalPodAutoscaler" {
			h := typed[autoscaling.HorizontalPodAutoscaler](t, c, o)
			most[h.Namespace+"/"+h.Spec.ScaleTargetRef.Name] = int(h.Spec.MaxReplicas)
			c.merge(t, deployments, h.Namespace, h.Spec.ScaleTargetRef.Name, object{"spec": object{"replicas": h.Spec.MaxReplicas}}, "scale")
		}
	}
	var workloads []workload
	for _, o := range all {
		w := workload{object: o}
		switch text(o, "kind") {
		case "Deployment":
			d := typed[appsv1.Deployment](t, c, o)
			w.labels, w.pods = d.Spec.Template.Labels, int(*d.Spec.Replicas)
			if n, ok := most[d.Namespace+"/"+d.Name]; ok && n != w.pods {
				t.Errorf("Deployment %s has %d replicas, want %d", d.Name, w.pods, n)
			}
		case "StatefulSet":
			s := typed[appsv1.StatefulSet](t, c, o)
			w.labels, w.pods = s.Spec.Template.Labels, int(*s.Spec.Replicas)
		case "DaemonSet":
			w.labels, w.pods = typed[appsv1.DaemonSet](t, c, o).Spec.Template.Labels, len(nodes)
		case "CronJob":
			j := typed[batchv1.CronJob](t, c, o)
			job := batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, Spec: j.Spec.JobTemplate.Spec}
			job.Namespace, job.Name = j.Namespace, j.Name+"-now"
			job.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(&j, batchv1.SchemeGroupVersion.WithKind("CronJob"))}
			started, err := unstructuredOf(&job)
			if err != nil {
				t.Fatal(err)
			}
			where, err := c.at(started)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := where.Create(t.Context(), &unstructured.Unstructured{Object: started}, metav1.CreateOptions{}); err != nil {
				t.Errorf("job of CronJob %s: %v", j.Name, err)
			}
			// Pods of a template without labels have those of their job.
			w.labels, w.pods = labels.Set{batchv1.JobNameLabel: job.Name}, 1
		default:
			continue
		}
		workloads = append(workloads, w)
	}
	return workloads
}

// settle runs pods until every workload has its own, all new and ready, and
// counts them.
func (c *cluster) settle(t *testing.T, workloads []workload) (n count) {
	t.Helper()
	var objects []object
	for _, w := range workloads {
		objects = append(objects, w.object)
	}
	if answer := within(patience, func() string {
		n = count{}
		for _, namespace := range namespacesOf(objects) {
			c.run(t, namespace)
		}
		var unfinished []string
		for _, w := range workloads {
			here := c.podsOf(t, w)
			n.want += w.pods
			n.got += min(len(here), w.pods)
			if why := c.unfinished(t, w, here); why != "" {
				unfinished = append(unfinished, text(w.object, "kind")+" "+text(w.object, "metadata", "name")+": "+why)
			}
		}
		return strings.Join(unfinished, "; ")
	}); answer != "" {
		t.Errorf("not after %s: %s\n%s", patience, answer, strings.Join(c.troubles(t, namespacesOf(objects)), "\n"))
	}
	return n
}

// podsOf returns the pods of a workload that are not about to end.
func (c *cluster) podsOf(t *testing.T, w workload) []corev1.Pod {
	t.Helper()
	all := list[corev1.Pod](t, c, pods, text(w.object, "metadata", "namespace"), metav1.ListOptions{LabelSelector: w.labels.String()})
	return slices.DeleteFunc(all, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil || len(p.OwnerReferences) == 0 })
}

// unfinished returns what a workload, whose pods are given, still lacks.
func (c *cluster) unfinished(t *testing.T, w workload, here []corev1.Pod) string {
	t.Helper()
	if len(here) != w.pods {
		return fmt.Sprintf("%d pods, want %d", len(here), w.pods)
	}
	for _, p := range here {
		if p.Status.Phase != corev1.PodRunning {
			return "pod " + p.Name + " does not run"
		}
	}
	if text(w.object, "kind") == "Deployment" {
		d := typed[appsv1.Deployment](t, c, w.object)
		if s := d.Status; s.ObservedGeneration != d.Generation || int(s.UpdatedReplicas) != w.pods || int(s.AvailableReplicas) != w.pods || int(s.Replicas) != w.pods {
			return fmt.Sprintf("%d new pods, %d available, %d in all, want %d", s.UpdatedReplicas, s.AvailableReplicas, s.Replicas, w.pods)
		}
	}
	// Prometheus finds what is in slices.
	for _, s := range list[corev1.Service](t, c, services, text(w.object, "metadata", "namespace"), metav1.ListOptions{}) {
		if len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(w.labels) {
			if ready := len(endpoints(t, c, &s, "", anyPort)); ready != w.pods {
				return fmt.Sprintf("Service %s has %d endpoints, want %d", s.Name, ready, w.pods)
			}
		}
	}
	return ""
}

// troubles returns the warnings among the events of namespaces, each once.
func (c *cluster) troubles(t *testing.T, namespaces []string) []string {
	t.Helper()
	all := map[string]bool{}
	for _, namespace := range namespaces {
		for _, e := range list[corev1.Event](t, c, events, namespace, metav1.ListOptions{FieldSelector: "type=Warning"}) {
			all[e.InvolvedObject.Kind+" "+e.InvolvedObject.Name+": "+e.Reason+": "+e.Message] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// rollOut replaces the pods of all Deployments at the same time.
func (c *cluster) rollOut(t *testing.T, workloads []workload) {
	t.Helper()
	for _, w := range workloads {
		if text(w.object, "kind") == "Deployment" {
			change := object{"spec": object{"template": object{"metadata": object{"annotations": object{"lab/rolled-out": "true"}}}}}
			c.merge(t, deployments, text(w.object, "metadata", "namespace"), text(w.object, "metadata", "name"), change)
		}
	}
	c.settle(t, workloads)
}

// checkRefusals wants a privileged pod refused in each restricted namespace, one
// pod more than there is room for in each quota, and no Secret shown to Prometheus.
func (c *cluster) checkRefusals(t *testing.T, all []object) {
	t.Helper()
	for _, namespace := range namespacesOf(all) {
		here := c.client.Resource(pods).Namespace(namespace)
		if namespace != "dmarc-node-exporter" {
			pod := restricted(namespace, "privileged", nil)
			pod["spec"].(object)["hostNetwork"] = true
			_, err := here.Create(t.Context(), &unstructured.Unstructured{Object: pod}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if !errors.IsForbidden(err) || !strings.Contains(err.Error(), "violates PodSecurity") {
				t.Errorf("a pod of the host's network in %s: %v", namespace, err)
			}
		}
		for _, q := range list[corev1.ResourceQuota](t, c, quotas, namespace, metav1.ListOptions{}) {
			room := q.Status.Hard.Pods().Value() - q.Status.Used.Pods().Value()
			var refused error
			for i := int64(0); i <= room && refused == nil; i++ {
				name := fmt.Sprintf("more-%d", i)
				if _, refused = here.Create(t.Context(), &unstructured.Unstructured{Object: restricted(namespace, name, nil)}, metav1.CreateOptions{}); refused == nil {
					defer here.Delete(t.Context(), name, metav1.DeleteOptions{})
				}
			}
			if !errors.IsForbidden(refused) || !strings.Contains(refused.Error(), "exceeded quota") {
				t.Errorf("pods beyond quota %s: %v", q.Name, refused)
			}
		}
	}
	for _, o := range all {
		if text(o, "kind") == "Role" && text(o, "metadata", "name") == discoveryRole {
			_, err := c.prometheus(t).client.Resource(secrets).Namespace(text(o, "metadata", "namespace")).List(t.Context(), metav1.ListOptions{})
			if !errors.IsForbidden(err) {
				t.Errorf("Prometheus asks for the Secrets of %s: %v", text(o, "metadata", "namespace"), err)
			}
		}
	}
	c.warnings.take()
}
