package platform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const root = "../../.."

// object is an object as JSON has it: every number is a float64.
type object = map[string]any

// built are the objects of kustomizations, which many tests look at. Nobody changes them.
var built = map[string][]object{}

// build builds a kustomization, seen from the top of the repository.
func build(t *testing.T, dir string) []object {
	t.Helper()
	if built[dir] == nil {
		resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, dir))
		if err != nil {
			t.Fatalf("kustomize build %s: %v", dir, err)
		}
		text, err := resources.AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		built[dir] = parse(t, string(text))
	}
	return built[dir]
}

// with builds the base with components.
func with(t *testing.T, components ...string) []object {
	t.Helper()
	name := strings.Join(components, " ")
	if built[name] != nil {
		return built[name]
	}
	dir, err := os.MkdirTemp("", "platform")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	absolute, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	// kustomize follows relative paths only.
	up, err := filepath.Rel(dir, absolute)
	if err != nil {
		t.Fatal(err)
	}
	k := object{"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": []string{filepath.Join(up, "k8s/base")}}
	var paths []string
	for _, c := range components {
		paths = append(paths, filepath.Join(up, "k8s/components", c))
	}
	k["components"] = paths
	text, err := yaml.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(filepath.Join(here, root), dir)
	if err != nil {
		t.Fatal(err)
	}
	built[name] = build(t, relative)
	return built[name]
}

// everything returns the components that go together, with digest or one of the
// replicas. The application and the policy for old clusters have their own
// places, and of stores there is one.
func everything(with string) []string {
	return []string{"node-exporter", "prometheus-operator", "dashboards", "quota", "rbac", "external-secrets-vault", with, "mtls", "cert-manager"}
}

// parse reads a stream of YAML documents.
func parse(t *testing.T, text string) []object {
	t.Helper()
	var all []object
	for _, document := range strings.Split("\n"+text, "\n---") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if o != nil {
			all = append(all, o)
		}
	}
	return all
}

// text walks into an object; a missing step gives "".
func text(o object, path ...string) string {
	for _, step := range path[:len(path)-1] {
		o, _ = o[step].(object)
	}
	s, _ := o[path[len(path)-1]].(string)
	return s
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
