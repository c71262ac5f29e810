package repotest

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestQuirks wants for every QUIRK(name) below dmarc/ a fixture of that name,
// or a case of a test, and a row of docs/reports.md that names it in its last
// cell; and a fixture or case for every name in those cells.
func TestQuirks(t *testing.T) {
	const page = "docs/reports.md"
	quirk := regexp.MustCompile(`QUIRK\(([a-z0-9-]+)\)`)
	places := map[string]string{}
	fixtures := map[string]bool{}
	cases := regexp.MustCompile(`(?:\{|t\.Run\()"([a-z0-9-]+)"`)
	for _, f := range repo(t, "") {
		if !within(path.Dir(f.name), "dmarc") {
			continue
		}
		switch {
		case strings.Contains(f.name, "/testdata/"):
			base := path.Base(f.name)
			fixtures[strings.TrimSuffix(base, path.Ext(base))] = true
		case strings.HasSuffix(f.name, "_test.go"):
			for _, m := range cases.FindAllStringSubmatch(f.text, -1) {
				fixtures[m[1]] = true
			}
		case strings.HasSuffix(f.name, ".go"):
			for _, m := range quirk.FindAllStringSubmatch(f.text, -1) {
				places[m[1]] = f.name
			}
		}
	}
	rows := lastCells(t, page)
	for name, place := range places {
		if !fixtures[name] {
			t.Errorf("%s: QUIRK(%s) has neither a fixture nor a test of that name", place, name)
		}
		if !slices.Contains(rows, name) {
			t.Errorf("%s: QUIRK(%s) has no row in %s", place, name, page)
		}
	}
	for _, name := range rows {
		if !fixtures[name] {
			t.Errorf("%s names the fixture %s, which is neither a file nor a test", page, name)
		}
	}
	if len(places) < 60 || len(rows) < 60 {
		t.Errorf("found only %d quirks and %d rows", len(places), len(rows))
	}
}

// lastCells returns the names in the last cells of the tables of a page whose
// last column is called fixture. A dash stands for none.
func lastCells(t *testing.T, page string) []string {
	t.Helper()
	var names []string
	inTable := false
	for _, f := range repo(t, page) {
		for line := range strings.Lines(f.text) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "|") {
				inTable = false
				continue
			}
			cells := strings.Split(strings.Trim(line, "|"), "|")
			last := strings.TrimSpace(cells[len(cells)-1])
			switch {
			case last == "fixture":
				inTable = true
			case inTable && last != "–" && strings.Trim(last, "-") != "":
				names = append(names, strings.Split(last, ", ")...)
			}
		}
	}
	return names
}
