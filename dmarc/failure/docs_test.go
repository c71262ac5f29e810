package failure

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every warning is documented with an example.
func TestCodesAreDocumented(t *testing.T) {
	files, err := filepath.Glob("../../docs/reports*.md")
	if err != nil {
		t.Fatal(err)
	}
	var docs strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs.Write(b)
	}
	for _, code := range Codes() {
		if !strings.Contains(docs.String(), "| `"+string(code)+"` |") {
			t.Errorf("docs/reports.md has no row for %s", code)
		}
	}
}
