package repotest

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, f := range repo(t, ".md") {
		if strings.Contains(f.name, "testdata/") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(withoutCode(f.text), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			name := f.name
			if target != "" {
				name = path.Join(path.Dir(f.name), target)
			}
			b, err := os.ReadFile(filepath.Join(root, name))
			if _, statErr := os.Stat(filepath.Join(root, name)); statErr != nil {
				t.Errorf("%s links to %s, which is not there", f.name, m[1])
			} else if anchor != "" && err == nil && !anchors(string(b))[anchor] {
				t.Errorf("%s links to %s, but there is no such heading", f.name, m[1])
			}
		}
	}
}

// withoutCode returns Markdown without its code blocks and spans.
func withoutCode(text string) string {
	text = regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(text, "")
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "")
}

// anchors returns the names that the headings of a page can be linked by.
func anchors(text string) map[string]bool {
	set := map[string]bool{}
	drop := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		slug := strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		set[slug] = true
	}
	return set
}

// TestUpstreamDashboards holds that what dashboards of upstream ask for is exposed,
// unless the page says that upstream has not got it either. The second list
// is compared with a real server by collectors/postgres.
func TestUpstreamDashboards(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/upstream/dashboards.md"))
	if err != nil {
		t.Fatal(err)
	}
	var exposed strings.Builder
	for _, pattern := range []string{"docs/metrics/*.md", "collectors/postgres/testdata/postgres_exporter.tsv"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			exposed.Write(text)
		}
	}
	asked := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| \\|$").FindAllStringSubmatch(string(page), -1)
	if len(asked) < 40 {
		t.Errorf("docs/upstream/dashboards.md has %d metrics without a note, want those of two exporters", len(asked))
	}
	for _, m := range asked {
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(exposed.String()) {
			t.Errorf("docs/upstream/dashboards.md has %s, which is not exposed", m[1])
		}
	}
}

// TestReasonsAndCodes wants every reason and every warning code in the
// document about the report formats.
func TestReasonsAndCodes(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join(root, "docs/reports.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range goFiles(t) {
		if f.folder != "dmarc" {
			continue
		}
		for _, value := range append(constants(t, f.ast, "Reason"), constants(t, f.ast, "Code")...) {
			found++
			if !strings.Contains(string(docs), "`"+value+"`") {
				t.Errorf("docs/reports.md does not explain `%s` (%s)", value, f.name)
			}
		}
	}
	if found < 10 {
		t.Errorf("found only %d reasons and codes", found)
	}
}

// constants returns the values of the string constants of a type.
func constants(t *testing.T, f *ast.File, typeName string) []string {
	t.Helper()
	var values []string
	for _, d := range f.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			s := spec.(*ast.ValueSpec)
			if id, ok := s.Type.(*ast.Ident); !ok || id.Name != typeName {
				continue
			}
			for _, v := range s.Values {
				literal, ok := v.(*ast.BasicLit)
				if !ok {
					continue
				}
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				if value != "" {
					values = append(values, value)
				}
			}
		}
	}
	return values
}

// TestBinaries wants each main where a reader looks for it.
func TestBinaries(t *testing.T) {
	promu, err := os.ReadFile(filepath.Join(root, ".promu.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range listed(t) {
		if floorOf(p.folder()) != mains || p.Name != "main" {
			continue
		}
		name := path.Base(p.folder())
		if !strings.Contains(string(promu), "- name: "+name+"\n") {
			t.Errorf(".promu.yml does not build %s", name)
		}
		if _, err := os.Stat(filepath.Join(root, "docs/flags", name+".md")); err != nil {
			t.Errorf("the flags of %s are not documented: its TestFlagsDoc calls exportertest.FlagsDoc for docs/flags/%s.md", name, name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^ +path: \./(exporters/\S+)$`).FindAllStringSubmatch(string(promu), -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf(".promu.yml builds %s, which is not there", m[1])
		}
	}
}

// TestCommandsAreMarked wants a mark in front of each block of commands in the
// documents: the test that holds what it does, or why it is an illustration.
// Commands of our exporters alone are parsed by their own tests, and those of
// the runbooks by the demo's.
func TestCommandsAreMarked(t *testing.T) {
	block := regexp.MustCompile("(?m)^( *)(?:<!-- (.*) -->\n *)?```sh\n((?s:.*?))^ *```")
	command := regexp.MustCompile(`^(?:\$ )?(?:\w+_exporter|-|$)`)
	tests := map[string]bool{}
	for _, f := range repo(t, "_test.go") {
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(f.text, -1) {
			tests[m[1]] = true
		}
	}
	found := 0
	for _, f := range repo(t, ".md") {
		if strings.HasPrefix(f.name, "docs/runbooks/") || strings.Contains(f.name, "testdata/") {
			continue
		}
		for _, m := range block.FindAllStringSubmatch(f.text, -1) {
			mark, lines := m[2], strings.Split(strings.TrimSpace(m[3]), "\n")
			name, tested := strings.CutPrefix(mark, "tested by ")
			reason, illustration := strings.CutPrefix(mark, "illustration: ")
			switch {
			case tested && !tests[name]:
				t.Errorf("%s: there is no %s, which should test %q", f.name, name, lines[0])
			case illustration && reason == "", mark != "" && !tested && !illustration:
				t.Errorf("%s: the mark %q of %q is none", f.name, mark, lines[0])
			case mark != "":
				found++
			case !strings.HasPrefix(strings.TrimSpace(lines[0]), "$ ") && slices.ContainsFunc(lines, func(line string) bool { return !command.MatchString(strings.TrimSpace(line)) }):
				t.Errorf("%s: no mark in front of %q: <!-- tested by TestX --> or <!-- illustration: why -->", f.name, lines[0])
			}
		}
	}
	if found < 20 {
		t.Errorf("%d marks, want more", found)
	}
}
