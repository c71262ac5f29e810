package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	packages := list(t, ".")
	stamp := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	var texts [2]string
	for i := range texts {
		path := filepath.Join(t.TempDir(), "x.cdx.json")
		if err := writeSBOM(path, "x_exporter", "1.2.3", self, packages, stamp); err != nil {
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
	if c := found["go.yaml.in/yaml/v3"]; !strings.HasPrefix(c.PURL, "pkg:golang/go.yaml.in/yaml/v3@v3.") || len(c.Properties) != 1 {
		t.Errorf("component %+v, want go.yaml.in/yaml/v3 with its sum", c)
	}
	if found["stdlib"].Version == "" {
		t.Errorf("the standard library is missing")
	}
	for _, c := range append(b.Components, b.Metadata.Component) {
		if len(c.Licenses) == 0 {
			t.Errorf("%s has no license", c.Name)
		}
	}
	graph := map[string][]string{}
	for _, d := range b.Dependencies {
		graph[d.Ref] = d.DependsOn
	}
	program, standard, yaml := b.Metadata.Component.Ref, found["stdlib"].Ref, found["go.yaml.in/yaml/v3"].Ref
	if len(graph) != len(b.Components)+1 || !slices.Contains(graph[program], yaml) || !slices.Equal(graph[yaml], []string{standard}) || len(graph[standard]) > 0 {
		t.Errorf("graph %v", graph)
	}
}

// TestIdentifiers wants the license of each module that a binary of ours links known.
func TestIdentifiers(t *testing.T) {
	c, err := loadConfig("../../.promu.yml")
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, main := range c.Build.Binaries {
		args = append(args, filepath.Join("../..", main.Path))
	}
	texts, err := licenseTexts(list(t, args...))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		standardLibrary: "BSD-3-Clause", "go.yaml.in/yaml/v3": "Apache-2.0 MIT", "github.com/jackc/pgx/v5": "MIT",
		"github.com/prometheus/client_golang": "Apache-2.0 BSD-3-Clause", "github.com/redis/go-redis/v9": "BSD-2-Clause",
	}
	for module, files := range texts {
		got := strings.Join(identifiers(slices.Collect(maps.Values(files))), " ")
		path, _, _ := strings.Cut(module, " v")
		if w, ok := want[path]; got == "" || ok && got != w {
			t.Errorf("%s has license %q, want %q", module, got, w)
		}
		delete(want, path)
	}
	if len(want) > 0 {
		t.Errorf("modules that are not there: %v", want)
	}
}

// TestSBOMRefusesOthers wants an error for a file that Go did not link.
func TestSBOMRefusesOthers(t *testing.T) {
	if err := writeSBOM(filepath.Join(t.TempDir(), "x"), "x", "1", "main.go", nil, time.Time{}); err == nil {
		t.Errorf("a bill of materials of a text file")
	}
}
