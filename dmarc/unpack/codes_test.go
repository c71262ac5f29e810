package unpack_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmarc-suite/dmarc-suite/dmarc/unpack"
)

// TestCodes finds every constant of codes.go in Codes and in the documents.
func TestCodes(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile(`dmarc\.Code = "([a-z0-9_]+)"`).FindAllStringSubmatch(string(source), -1) {
		want = append(want, m[1])
	}
	for _, c := range unpack.Codes() {
		got = append(got, string(c))
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("constants and Codes (-want +got)\n%s", diff)
	}
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "reports*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no documents about reports: %v", err)
	}
	var docs strings.Builder
	for _, p := range pages {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		docs.Write(b)
	}
	for _, c := range got {
		if !strings.Contains(docs.String(), "| `"+c+"` |") {
			t.Errorf("%s has no row in %v", c, pages)
		}
	}
}
