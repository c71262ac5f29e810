package dmarc

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestCodesAreDocumented holds docs/reports.md and the fixtures together:
// every code has a row with an example, and its fixture gives that warning.
func TestCodesAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range Codes() {
		row := regexp.MustCompile("(?m)^\\| `" + string(code) + "` \\| [^|]+ \\| [^|]+ \\| ([^|]+) \\|$").FindSubmatch(docs)
		if row == nil {
			t.Errorf("%s has no row in docs/reports.md", code)
			continue
		}
		fixture := string(row[1])
		if fixture == "–" {
			continue // Too large for a file: TestTextLimit and TestEntryLimit.
		}
		if !slices.Contains(fixtures[fixture].codes, code) {
			t.Errorf("%s: the fixture %s does not give it", code, fixture)
		}
	}
	for _, reason := range Reasons() {
		if !regexp.MustCompile("(?m)^\\| `" + string(reason) + "` \\| [^|]+ \\|$").Match(docs) {
			t.Errorf("%s has no row in docs/reports.md", reason)
		}
	}
	if n := len(Reasons()); n > 20 {
		t.Errorf("%d reasons: the set is meant to be small", n)
	}
	if n := len(Codes()); n > 64 {
		t.Errorf("%d codes do not fit into the bits of Decoder.codes", n)
	}
}
