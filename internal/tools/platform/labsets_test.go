package platform

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/releaseutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// labSet is what is applied at once.
type labSet struct {
	name    string
	objects []object
}

// labSets returns all that this repository applies to a cluster. Those that need
// no operator come first, and are applied before their kinds are known.
func labSets(t *testing.T) []labSet {
	t.Helper()
	sets := []labSet{{"base", build(t, "k8s/base")}}
	for _, overlay := range []string{"dev", "staging", "production"} {
		sets = append(sets, labSet{"overlay " + overlay, build(t, "k8s/overlays/"+overlay)})
	}
	for _, c := range components(t) {
		if c != "application" { // Its workloads are those of testdata.
			sets = append(sets, labSet{"base with " + c, with(t, c)})
		}
	}
	sets = append(
		sets,
		labSet{"everything with digest", with(t, everything("digest")...)},
		labSet{"everything with replicas-autoscaled", with(t, everything("replicas-autoscaled")...)},
		labSet{"application", build(t, "internal/tools/platform/testdata/application")},
		labSet{"issuers", build(t, "k8s/components/cert-manager/issuers")},
	)
	for _, c := range charts(t) {
		objects, err := render(t, c.values)
		if err != nil {
			t.Fatal(err)
		}
		// As install.md has it: the namespace is there before the chart is.
		sets = append(sets, labSet{"chart as " + c.name, append(parse(t, readFile(t, root+"/k8s/base/namespace.yaml")), inOrder(objects)...)})
	}
	slices.SortStableFunc(sets, func(a, b labSet) int {
		return min(1, len(customKinds(a.objects))) - min(1, len(customKinds(b.objects)))
	})
	return sets
}

// inOrder sorts objects as Helm applies them: kinds that it does not know are last.
func inOrder(all []object) []object {
	place := func(o object) int {
		if i := slices.Index(releaseutil.InstallOrder, text(o, "kind")); i >= 0 {
			return i
		}
		return len(releaseutil.InstallOrder)
	}
	slices.SortStableFunc(all, func(a, b object) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(text(a, "kind"), text(b, "kind")), cmp.Compare(text(a, "metadata", "name"), text(b, "metadata", "name")))
	})
	return all
}

// customKinds returns the kinds of objects that operators bring.
func customKinds(all []object) map[schema.GroupKind]bool {
	kinds := map[schema.GroupKind]bool{}
	for _, o := range all {
		k := schema.FromAPIVersionAndKind(text(o, "apiVersion"), text(o, "kind")).GroupKind()
		if strings.Contains(k.Group, ".") && !strings.HasSuffix(k.Group, ".k8s.io") {
			kinds[k] = true
		}
	}
	return kinds
}

// namespacesOf returns the namespaces of objects, each once.
func namespacesOf(all []object) []string {
	var names []string
	for _, o := range all {
		if n := text(o, "metadata", "namespace"); n != "" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// addNeighbours makes the pods that the exporters have to do with.
func (c *cluster) addNeighbours(t *testing.T) {
	t.Helper()
	made := map[string]bool{"kube-system": true}
	for i, n := range neighbours {
		if !made[n.namespace] {
			made[n.namespace] = true
			namespace := object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": n.namespace, "labels": object{
				"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted",
			}}}
			if _, err := c.apply(t.Context(), namespace); err != nil {
				t.Fatal(err)
			}
		}
		pod := restricted(n.namespace, fmt.Sprintf("neighbour-%d", i), map[string]string{n.key: n.value})
		eventually(t, func() string { // Its account is made by a controller.
			if _, err := c.apply(t.Context(), pod); err != nil {
				return err.Error()
			}
			return ""
		})
	}
}

// restricted returns a pod that Pod Security restricted admits.
func restricted(namespace, name string, set map[string]string) object {
	pod := corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: set}}
	yes, no := true, false
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	pod.Spec.Containers = []corev1.Container{{Name: "pause", Image: "registry.example/pause:v1", SecurityContext: &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}}}
	o, err := unstructuredOf(&pod)
	if err != nil {
		panic(err) // A pod that is written here.
	}
	return o
}

// define brings the kinds of operators, if they are not known yet.
func (c *cluster) define(t *testing.T, dir string, kinds map[schema.GroupKind]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no definitions in %s: %v", dir, err)
	}
	for _, file := range files {
		for _, d := range parse(t, readFile(t, file)) {
			k := schema.GroupKind{Group: text(d, "spec", "group"), Kind: text(d, "spec", "names", "kind")}
			if !kinds[k] || c.defined[k] {
				continue
			}
			c.defined[k] = true
			if _, err := c.apply(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			c.mapper.Reset()
			eventually(t, func() string {
				got, err := c.get(t.Context(), d)
				if err != nil {
					return err.Error()
				}
				conditions, _, _ := unstructured.NestedSlice(got.Object, "status", "conditions")
				for _, condition := range conditions {
					if condition := condition.(object); condition["type"] == "Established" && condition["status"] == "True" {
						return ""
					}
				}
				return fmt.Sprintf("%s is not established: %v", k, conditions)
			})
		}
	}
	for k := range kinds {
		if !c.defined[k] {
			t.Errorf("no module of the lab defines %s", k)
		}
	}
	c.warnings.take() // What their authors think of formats is not ours.
	c.mapper.Reset()
}
