package tests

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-jsonnet/formatter"
)

// TestFormat holds that the sources are as jsonnetfmt has them; -update formats them.
func TestFormat(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../*.libsonnet", "../*.jsonnet", "../*/*.libsonnet"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no sources in %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := formatter.Format(file, string(text), formatter.DefaultOptions())
		if err != nil {
			t.Error(err)
			continue
		}
		if want == string(text) {
			continue
		}
		if !*update {
			t.Errorf("%s is not formatted: run make generate", file)
		} else if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Error(err)
		}
	}
}
