package dmarc

import (
	"os"
	"regexp"
	"slices"
	"strings"
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

// TestQuirksHaveFixtures compares the marks in the source with the fixtures.
func TestQuirksHaveFixtures(t *testing.T) {
	mark := regexp.MustCompile(`QUIRK\(([a-z0-9-]+)\)`)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{ // Quirks whose fixtures have other names.
		"utf16": "utf16-le", "xs-schema-tag": "xs-schema-open", "org-odd": "org-missing",
		"sec-entity-bomb": "entity-declared", "sec-xxe": "entity-declared",
	}
	found := 0
	for _, e := range entries {
		if !regexp.MustCompile(`^(decode|scan|value|charset).*\.go$`).MatchString(e.Name()) || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		src, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mark.FindAllSubmatch(src, -1) {
			name := string(m[1])
			if other := known[name]; other != "" {
				name = other
			}
			found++
			if _, ok := fixtures[name]; !ok {
				t.Errorf("%s: QUIRK(%s) has no fixture", e.Name(), m[1])
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d marks were found", found)
	}
}
