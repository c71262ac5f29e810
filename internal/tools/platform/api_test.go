package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// The resources that the lab looks at.
var (
	pods            = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	services        = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	events          = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	secrets         = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	quotas          = schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}
	endpointSlices  = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
	networkPolicies = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}
	deployments     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	monitors        = schema.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1", Resource: "servicemonitors"}
)

// manager owns the fields that the lab applies, as kubectl does.
const manager = "kubectl"

// cluster is an API server as one user sees it.
type cluster struct {
	config   *rest.Config
	client   dynamic.Interface
	found    *discovery.DiscoveryClient
	mapper   *restmapper.DeferredDiscoveryRESTMapper
	warnings *warnings
	// defined are the kinds of operators that are known.
	defined map[schema.GroupKind]bool
	// addresses counts those that were given to pods.
	addresses int
}

// warnings keeps what the API server warns of.
type warnings struct {
	mu  sync.Mutex
	all []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, text)
}

// take returns the warnings since it was last asked.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.all
	w.all = nil
	return all
}

func connect(t *testing.T, config *rest.Config) *cluster {
	t.Helper()
	c := &cluster{config: rest.CopyConfig(config), warnings: &warnings{}, defined: map[schema.GroupKind]bool{}}
	c.config.WarningHandler = c.warnings
	var err error
	if c.client, err = dynamic.NewForConfig(c.config); err != nil {
		t.Fatal(err)
	}
	if c.found, err = discovery.NewDiscoveryClientForConfig(c.config); err != nil {
		t.Fatal(err)
	}
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.found))
	return c
}

// prometheus returns the cluster as the account of Prometheus sees it.
func (c *cluster) prometheus(t *testing.T) *cluster {
	t.Helper()
	config := rest.CopyConfig(c.config)
	config.Impersonate.UserName = "system:serviceaccount:monitoring:prometheus-k8s"
	return connect(t, config)
}

// at returns where objects of this kind and namespace are.
func (c *cluster) at(o object) (dynamic.ResourceInterface, error) {
	kind := schema.FromAPIVersionAndKind(text(o, "apiVersion"), text(o, "kind"))
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return c.client.Resource(mapping.Resource), nil
	}
	namespace := text(o, "metadata", "namespace")
	if namespace == "" {
		return nil, fmt.Errorf("%s %s has no namespace", kind.Kind, text(o, "metadata", "name"))
	}
	return c.client.Resource(mapping.Resource).Namespace(namespace), nil
}

// apply applies an object as kubectl apply --server-side does: a field that the
// API does not know, or that another manager owns, is an error.
func (c *cluster) apply(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	where, err := c.at(o)
	if err != nil {
		return nil, err
	}
	document, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: manager, FieldValidation: metav1.FieldValidationStrict}
	return where.Patch(ctx, text(o, "metadata", "name"), types.ApplyPatchType, document, options)
}

// get reads an object back.
func (c *cluster) get(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	where, err := c.at(o)
	if err != nil {
		return nil, err
	}
	return where.Get(ctx, text(o, "metadata", "name"), metav1.GetOptions{})
}

// remove deletes objects and waits until they, and what is in their namespaces, are gone.
func (c *cluster) remove(t *testing.T, all []object) {
	t.Helper()
	background := metav1.DeletePropagationBackground
	for _, o := range slices.Backward(all) {
		where, err := c.at(o)
		if err != nil {
			continue // Of a kind that the API does not know: it was not accepted.
		}
		err = where.Delete(t.Context(), text(o, "metadata", "name"), metav1.DeleteOptions{PropagationPolicy: &background})
		if err != nil && !errors.IsNotFound(err) {
			t.Fatal(err)
		}
	}
	eventually(t, func() string {
		for _, namespace := range namespacesOf(all) {
			c.run(t, namespace) // Pods that are deleted end.
		}
		for _, o := range all {
			if _, err := c.get(t.Context(), o); err == nil && text(o, "kind") != "ServiceAccount" {
				return text(o, "kind") + " " + text(o, "metadata", "name") + " is still there"
			}
		}
		for _, namespace := range namespacesOf(all) {
			for _, pod := range list[corev1.Pod](t, c, pods, namespace, metav1.ListOptions{}) {
				if len(pod.OwnerReferences) > 0 {
					return "pod " + pod.Name + " is still there"
				}
			}
		}
		return ""
	})
}

// list reads objects into the types of the API.
func list[T any](t *testing.T, c *cluster, resource schema.GroupVersionResource, namespace string, options metav1.ListOptions) []T {
	t.Helper()
	found, err := c.client.Resource(resource).Namespace(namespace).List(t.Context(), options)
	if err != nil {
		t.Fatalf("list %s of %q: %v", resource.Resource, namespace, err)
	}
	all := make([]T, len(found.Items))
	for i, item := range found.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// merge patches an object, or one of its subresources.
func (c *cluster) merge(t *testing.T, resource schema.GroupVersionResource, namespace, name string, change object, subresources ...string) {
	t.Helper()
	document, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.client.Resource(resource).Namespace(namespace).Patch(t.Context(), name, types.MergePatchType, document, metav1.PatchOptions{}, subresources...); err != nil {
		t.Fatalf("patch %s %s: %v", resource.Resource, strings.Join(append([]string{name}, subresources...), "/"), err)
	}
}
