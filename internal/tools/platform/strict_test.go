package platform

import (
	"os"
	"path/filepath"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// typeless are the kinds whose types no module of reasonable size has.
var typeless = map[string]bool{
	"external-secrets.io/v1": true,
	// Gone from the API since 1.25, which is why the component is called legacy.
	"policy/v1beta1": true,
}

// strict returns a decoder that refuses what the API would: unknown kinds,
// unknown fields and fields that are there twice.
func strict(t *testing.T) runtime.Decoder {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, monitoring.AddToScheme, certmanager.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(s, serializer.EnableStrict).UniversalDeserializer()
}

// components lists the folders of k8s/components that are components.
func components(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "k8s/components/*/kustomization.yaml"))
	if err != nil || len(paths) < 9 {
		t.Fatalf("%d components, %v", len(paths), err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(filepath.Dir(p)))
	}
	return names
}

// TestStrict decodes every object of every component and overlay into the types
// of the real API.
func TestStrict(t *testing.T) {
	all := map[string][]object{"issuers": build(t, "k8s/components/cert-manager/issuers")}
	for _, overlay := range []string{"dev", "staging", "production"} {
		all[overlay] = build(t, "k8s/overlays/"+overlay)
	}
	for _, c := range components(t) {
		if c != "application" { // Its workloads are those of testdata.
			all["base with "+c] = with(t, c)
		}
	}
	all["application"] = build(t, "internal/tools/platform/testdata/application")
	decoder := strict(t)
	decoded := 0
	for name, objects := range all {
		for _, o := range objects {
			if typeless[text(o, "apiVersion")] {
				continue
			}
			document, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := decoder.Decode(document, nil, nil); err != nil {
				t.Errorf("%s: %s %s: %v", name, text(o, "kind"), text(o, "metadata", "name"), err)
			}
			decoded++
		}
	}
	if decoded < 200 {
		t.Errorf("only %d objects were decoded", decoded)
	}
}

// TestStrictRefuses shows that the decoder sees what a cluster would refuse.
func TestStrictRefuses(t *testing.T) {
	decoder := strict(t)
	for name, document := range map[string]string{
		"unknown field": "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {port: 1}}",
		"gone kind":     "{apiVersion: policy/v1beta1, kind: PodSecurityPolicy, metadata: {name: a}}",
		"rules in spec": "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}, spec: {rules: []}}",
	} {
		if _, _, err := decoder.Decode([]byte(document), nil, nil); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestDashboardsFit holds each ConfigMap below what an annotation may hold, so
// that a client-side apply works too.
func TestDashboardsFit(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "dashboards/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= 256_000 {
			t.Errorf("%s has %d bytes, want less than 256,000", filepath.Base(file), info.Size())
		}
	}
}
