package dmarc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Every warning of a policy record and every rule of a validation is documented.
func TestRecordCodesAreDocumented(t *testing.T) {
	files, err := filepath.Glob("../docs/reports*.md")
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
	var words []string
	for _, code := range dmarc.RecordCodes() {
		words = append(words, string(code))
	}
	for _, rule := range dmarc.Rules() {
		words = append(words, string(rule))
	}
	for _, word := range words {
		if !strings.Contains(docs.String(), "| `"+word+"` |") {
			t.Errorf("docs/reports.md has no row for %s", word)
		}
	}
}
