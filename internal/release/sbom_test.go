package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSBOM reads the bill of materials of the test binary itself, which Go
// linked as it links the exporters.
func TestSBOM(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stamp := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	var texts [2]string
	for i := range texts {
		path := filepath.Join(t.TempDir(), "x.cdx.json")
		if err := writeSBOM(path, "x_exporter", "1.2.3", self, stamp); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	if texts[0] != texts[1] {
		t.Errorf("two bills of the same binary differ")
	}
	var b bom
	if err := json.Unmarshal([]byte(texts[0]), &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.SpecVersion != "1.6" || b.Metadata.Component.Version != "1.2.3" || len(b.Metadata.Component.Hashes[0].Content) != 64 {
		t.Errorf("head of the bill: %+v", b)
	}
	found := map[string]component{}
	for _, c := range b.Components {
		found[c.Name] = c
	}
	if yaml := found["go.yaml.in/yaml/v3"]; !strings.HasPrefix(yaml.PURL, "pkg:golang/go.yaml.in/yaml/v3@v3.") || len(yaml.Properties) != 1 {
		t.Errorf("component %+v, want go.yaml.in/yaml/v3 with its sum", yaml)
	}
	if found["stdlib"].Version == "" {
		t.Errorf("the standard library is missing")
	}
	if got, want := len(b.Dependencies[0].DependsOn), len(b.Components); got != want {
		t.Errorf("the binary depends on %d components, want %d", got, want)
	}
}

// TestSBOMRefusesOthers wants an error for a file that Go did not link.
func TestSBOMRefusesOthers(t *testing.T) {
	if err := writeSBOM(filepath.Join(t.TempDir(), "x"), "x", "1", "main.go", time.Time{}); err == nil {
		t.Errorf("a bill of materials of a text file")
	}
}
