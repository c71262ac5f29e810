package dmarc_test

import (
	"os"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/dmarc"
)

// Every warning of a policy record and every rule of a validation is documented.
func TestRecordCodesAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, code := range dmarc.RecordCodes() {
		words = append(words, string(code))
	}
	for _, rule := range dmarc.Rules() {
		words = append(words, string(rule))
	}
	for _, word := range words {
		if !strings.Contains(string(docs), "| `"+word+"` |") {
			t.Errorf("docs/reports.md has no row for %s", word)
		}
	}
}
