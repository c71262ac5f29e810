package platform

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// checkDrift applies a set again and wants nothing changed; and the API to return
// what was applied.
func (c *cluster) checkDrift(t *testing.T, all []object) {
	t.Helper()
	for _, o := range all {
		name := text(o, "kind") + " " + text(o, "metadata", "name")
		before, err := c.get(t.Context(), o)
		if err != nil {
			t.Error(err)
			continue
		}
		after, err := c.apply(t.Context(), o)
		if err != nil {
			t.Errorf("%s is refused the second time: %v", name, err)
			continue
		}
		// Controllers write the status of what they watch at any time.
		if before.GetResourceVersion() != after.GetResourceVersion() && (before.GetGeneration() != after.GetGeneration() || applied(before) != applied(after)) {
			t.Errorf("%s is another one when it is applied again", name)
		}
		custom := len(customKinds([]object{o})) > 0
		if diff := differs("", asJSON(t, o), asJSON(t, after.Object), custom); diff != "" {
			t.Errorf("%s: the API returns something else: %s", name, diff)
		}
	}
}

// applied returns when the lab last changed an object.
func applied(o *unstructured.Unstructured) string {
	for _, f := range o.GetManagedFields() {
		if f.Manager == manager && f.Operation == metav1.ManagedFieldsOperationApply {
			return f.Time.String()
		}
	}
	return ""
}

func asJSON(t *testing.T, o object) (v any) {
	t.Helper()
	encoded, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(encoded, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// differs returns where an object that was applied is not what the API has. Below
// the spec of a custom resource the API may have nothing else either.
func differs(path string, want, got any, custom bool) string {
	switch want := want.(type) {
	case object:
		has, ok := got.(object)
		if !ok {
			return fmt.Sprintf("%s is %v, want %v", path, got, want)
		}
		if custom && strings.HasPrefix(path, "/spec") {
			for k := range has {
				if _, stated := want[k]; !stated {
					return fmt.Sprintf("%s/%s is %v, which nobody stated", path, k, has[k])
				}
			}
		}
		for k, v := range want {
			if diff := differs(path+"/"+k, v, has[k], custom); diff != "" {
				return diff
			}
		}
		return ""
	case []any:
		has, _ := got.([]any)
		if len(has) != len(want) {
			return fmt.Sprintf("%s is %v, want %v", path, got, want)
		}
		for i := range want {
			if diff := differs(fmt.Sprintf("%s/%d", path, i), want[i], has[i], custom); diff != "" {
				return diff
			}
		}
		return ""
	}
	if encoded, ok := want.(string); ok && strings.HasPrefix(path, "/data/") {
		want = strings.ReplaceAll(encoded, "\n", "") // kustomize breaks the lines of Secrets.
		got = strings.ReplaceAll(got.(string), "\n", "")
	}
	if want != got {
		return fmt.Sprintf("%s is %v, want %v", path, got, want)
	}
	return ""
}

// TestDiffers shows what counts as a drift.
func TestDiffers(t *testing.T) {
	for _, tt := range []struct {
		name, want, got string
		custom, differs bool
	}{
		{"the same", `{"spec": {"a": [1, "b"]}}`, `{"spec": {"a": [1, "b"]}}`, true, false},
		{"a default", `{"spec": {"a": 1}}`, `{"spec": {"a": 1, "b": 2}}`, false, false},
		{"a default of a custom resource", `{"spec": {"a": 1}}`, `{"spec": {"a": 1, "b": 2}}`, true, true},
		{"a status of a custom resource", `{"spec": {"a": 1}}`, `{"spec": {"a": 1}, "status": {}}`, true, false},
		{"another number", `{"spec": {"a": "1000"}}`, `{"spec": {"a": "1k"}}`, false, true},
		{"a field that is gone", `{"spec": {"a": 1}}`, `{"spec": {}}`, false, true},
		{"a shorter list", `{"spec": {"a": [1, 2]}}`, `{"spec": {"a": [1]}}`, false, true},
		{"lines of a Secret", `{"data": {"a": "Yg\n=="}}`, `{"data": {"a": "Yg=="}}`, false, false},
	} {
		var want, got any
		for v, text := range map[*any]string{&want: tt.want, &got: tt.got} {
			if err := json.Unmarshal([]byte(text), v); err != nil {
				t.Fatal(err)
			}
		}
		if diff := differs("", want, got, tt.custom); (diff != "") != tt.differs {
			t.Errorf("%s: %q", tt.name, diff)
		}
	}
}
