package failure

import (
	"os"
	"strings"
	"testing"
)

// Every warning is documented with an example.
func TestCodesAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range Codes() {
		if !strings.Contains(string(docs), "| `"+string(code)+"` |") {
			t.Errorf("docs/reports.md has no row for %s", code)
		}
	}
}
