package platform

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// externalSecret holds the fields of external-secrets.io/v1 that are used here:
// the module of the real types brings the clients of every cloud.
type externalSecret struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		RefreshInterval metav1.Duration `json:"refreshInterval"`
		SecretStoreRef  struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"secretStoreRef"`
		Target struct {
			Name           string `json:"name"`
			CreationPolicy string `json:"creationPolicy"`
			DeletionPolicy string `json:"deletionPolicy"`
		} `json:"target"`
		Data []struct {
			SecretKey string `json:"secretKey"`
			RemoteRef struct {
				Key      string `json:"key"`
				Property string `json:"property,omitempty"`
				// Defaults of the API, written out so that nothing drifts.
				ConversionStrategy string `json:"conversionStrategy"`
				DecodingStrategy   string `json:"decodingStrategy"`
				MetadataPolicy     string `json:"metadataPolicy"`
			} `json:"remoteRef"`
		} `json:"data"`
	} `json:"spec"`
}

// TestExternalSecrets wants the served version, known fields, a store that is
// there with one provider, and each key of each Secret once.
func TestExternalSecrets(t *testing.T) {
	for _, provider := range []string{"aws", "vault", "gcp"} {
		all := with(t, "external-secrets-"+provider)
		stores := map[string]bool{}
		for _, o := range all {
			if text(o, "kind") == "SecretStore" {
				providers, _ := o["spec"].(object)["provider"].(object)
				stores[text(o, "metadata", "namespace")+"/"+text(o, "metadata", "name")] = len(providers) == 1
			}
		}
		var keys []string
		for _, o := range all {
			if text(o, "kind") != "ExternalSecret" {
				continue
			}
			document, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			var s externalSecret
			if err := yaml.UnmarshalStrict(document, &s); err != nil {
				t.Errorf("%s: %v", provider, err)
				continue
			}
			if s.APIVersion != "external-secrets.io/v1" || s.Spec.SecretStoreRef.Kind != "SecretStore" || !stores[s.Metadata.Namespace+"/"+s.Spec.SecretStoreRef.Name] {
				t.Errorf("%s: %s has version %s and store %v of %v", provider, s.Metadata.Name, s.APIVersion, s.Spec.SecretStoreRef, stores)
			}
			// Retain: a store that is away must not take the exporters' secrets along.
			if s.Spec.Target.CreationPolicy != "Owner" || s.Spec.Target.DeletionPolicy != "Retain" || s.Spec.RefreshInterval.Duration < time.Minute {
				t.Errorf("%s: %s has target %+v every %v", provider, s.Metadata.Name, s.Spec.Target, s.Spec.RefreshInterval)
			}
			for _, d := range s.Spec.Data {
				if r := d.RemoteRef; r.ConversionStrategy != "Default" || r.DecodingStrategy != "None" || r.MetadataPolicy != "None" {
					t.Errorf("%s: %s/%s leaves a default to the API: %+v", provider, s.Spec.Target.Name, d.SecretKey, r)
				}
				if d.RemoteRef.Key == "" {
					t.Errorf("%s: %s/%s comes from nowhere", provider, s.Spec.Target.Name, d.SecretKey)
				}
				keys = append(keys, s.Spec.Target.Name+"/"+d.SecretKey)
			}
		}
		slices.Sort(keys)
		if want := []string{"dmarc-exporter/imap-password", "postgres-queries-exporter/dsn", "redis-exporter/password"}; !slices.Equal(keys, want) {
			t.Errorf("%s makes %v, want %v", provider, keys, want)
		}
	}
}
