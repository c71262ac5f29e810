package platform

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
)

// decoded returns an object in the type of the API.
func decoded[T any](t *testing.T, o object) *T {
	t.Helper()
	v := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(asIntegers(o).(object), v); err != nil {
		t.Fatalf("%s %s: %v", text(o, "kind"), text(o, "metadata", "name"), err)
	}
	return v
}

// asIntegers turns the numbers of JSON into those of the API, which are whole.
func asIntegers(v any) any {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = asIntegers(v[i])
		}
		return out
	case object:
		out := object{}
		for k := range v {
			out[k] = asIntegers(v[k])
		}
		return out
	}
	return v
}

// mostPods returns how many pods of a workload there are at most at a time, while
// it rolls out: a new one beside each that surges, or beside one that ends.
func mostPods(t *testing.T, o object, all []object) int64 {
	t.Helper()
	if text(o, "kind") != "Deployment" {
		return 1
	}
	d := decoded[appsv1.Deployment](t, o)
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return int64(*d.Spec.Replicas) // New ones wait until the old ones are gone.
	}
	n := int64(1)
	if d.Spec.Replicas != nil {
		n = int64(*d.Spec.Replicas)
	}
	for _, other := range all {
		if text(other, "kind") == "HorizontalPodAutoscaler" && text(other, "spec", "scaleTargetRef", "name") == d.Name {
			n = int64(decoded[autoscaling.HorizontalPodAutoscaler](t, other).Spec.MaxReplicas)
		}
	}
	return n + int64(max(d.Spec.Strategy.RollingUpdate.MaxSurge.IntVal, d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntVal))
}

// TestQuota holds that the quota is what the largest sets of components need while
// everything rolls out: they fit, and one pod more is refused.
func TestQuota(t *testing.T) {
	most := corev1.ResourceList{}
	var hard corev1.ResourceList
	for _, also := range []string{"digest", "replicas-autoscaled"} {
		all := with(t, everything(also)...)
		sums := corev1.ResourceList{}
		for _, o := range all {
			if text(o, "kind") == "ResourceQuota" {
				hard = decoded[corev1.ResourceQuota](t, o).Spec.Hard
			}
			spec := podOf(t, o)
			if spec == nil || text(o, "metadata", "namespace") != monitoringNamespace {
				continue
			}
			add := func(name corev1.ResourceName, each resource.Quantity, times int64) {
				each.Mul(times)
				sum := sums[name]
				sum.Add(each)
				sums[name] = sum
			}
			n := mostPods(t, o, all)
			add(corev1.ResourcePods, resource.MustParse("1"), n)
			for _, c := range spec.Containers {
				add(corev1.ResourceRequestsCPU, c.Resources.Requests[corev1.ResourceCPU], n)
				add(corev1.ResourceRequestsMemory, c.Resources.Requests[corev1.ResourceMemory], n)
				add(corev1.ResourceLimitsCPU, c.Resources.Limits[corev1.ResourceCPU], n)
				add(corev1.ResourceLimitsMemory, c.Resources.Limits[corev1.ResourceMemory], n)
			}
		}
		for name, sum := range sums {
			if before := most[name]; sum.Cmp(before) > 0 {
				most[name] = sum
			}
		}
	}
	if len(most) != 5 {
		t.Fatalf("sums %v", most)
	}
	for name, want := range most {
		if got := hard[name]; got.Cmp(want) != 0 {
			t.Errorf("quota %s is %s, want %s", name, got.String(), want.String())
		}
	}
}
