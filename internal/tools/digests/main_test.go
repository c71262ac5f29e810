package main

import (
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
)

// TestPin asks a registry for an image of a compose file.
func TestPin(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	image := strings.TrimPrefix(server.URL, "http://") + "/prom/prometheus:v3.0.0"
	if err := crane.Push(empty.Image, image); err != nil {
		t.Fatal(err)
	}
	digest, err := empty.Image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	resolve := func(name string) (string, error) {
		asked++
		return crane.Digest(strings.TrimSuffix(image, "prom/prometheus:v3.0.0") + name)
	}
	root := t.TempDir()
	compose := filepath.Join(root, "deploy/compose/compose.monitoring.yaml")
	if err := os.MkdirAll(filepath.Dir(compose), 0o755); err != nil {
		t.Fatal(err)
	}
	const ours = "    image: ghcr.io/dmarc-suite/node_exporter:v0.1.0\n"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(compose, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(compose); err != nil || string(got) != want {
			t.Errorf("%v:\n%s\nwant\n%s", err, got, want)
		}
	}
	pinned := ours + "    image: prom/prometheus:v3.0.0@" + digest.String() + "\n"
	for _, before := range []string{
		ours + "    image: prom/prometheus:v3.0.0\n",
		ours + "    image: prom/prometheus:v3.0.0@sha256:" + strings.Repeat("0", 64) + "\n",
	} {
		write(before)
		if err := run(root, resolve, io.Discard); err != nil {
			t.Fatal(err)
		}
		check(pinned)
	}
	if asked != 2 {
		t.Errorf("asked %d times, want once for each run: ours has no digest yet", asked)
	}
	unknown := pinned + "    image: grafana/grafana:1.0.0\n"
	write(unknown)
	var list strings.Builder
	if err := run(root, resolve, &list); err == nil || !strings.Contains(err.Error(), "grafana/grafana:1.0.0") {
		t.Errorf("error %v, want one that names the image", err)
	}
	if got, want := list.String(), "prom/prometheus:v3.0.0@"+digest.String()+"\n"; got != want {
		t.Errorf("list %q, want %q: an image without a digest is not one", got, want)
	}
	check(unknown)
}

// TestPatternsFindFiles wants an image of another project in each of the patterns.
func TestPatternsFindFiles(t *testing.T) {
	for _, pattern := range files {
		paths, err := filepath.Glob(filepath.Join("../../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range reference.FindAllStringSubmatch(string(text), -1) {
				if !strings.HasPrefix(m[2], own) {
					found++
				}
			}
		}
		if found == 0 {
			t.Errorf("no image in %s", pattern)
		}
	}
}
