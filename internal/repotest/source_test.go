package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

const (
	maxLines  = 450 // of a Go file
	maxReadme = 150
)

func TestSizes(t *testing.T) {
	for _, f := range repo(t, ".go") {
		if n := f.lines(); n > maxLines {
			t.Errorf("%s has %d lines, want at most %d", f.name, n, maxLines)
		}
	}
	for _, f := range repo(t, "README.md") {
		if n := f.lines(); n > maxReadme {
			t.Errorf("%s has %d lines, want at most %d", f.name, n, maxReadme)
		}
	}
}

// forbidden is what no file may contain: a text, and the pattern that finds it
// as a word. The words are put together here, so that this file does not contain
// them itself.
func forbidden() map[string]*regexp.Regexp {
	words := map[string]*regexp.Regexp{
		// Places and names of one machine say nothing to a reader elsewhere.
		"/wo" + "rk/":             regexp.MustCompile(`(^|[^\w.-])/wo` + `rk/`),
		".lib" + "rary":           regexp.MustCompile(`\.lib` + `rary\b`),
		"/tmp/br" + "ief":         nil,
		"proxy.golang" + ".org":   nil,
		"deb.debian" + ".org":     nil,
		"registry.npm" + "js.org": nil,
	}
	for _, note := range []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"} {
		words[note] = regexp.MustCompile(`\b` + note + `\b`)
	}
	return words
}

func TestWords(t *testing.T) {
	words := forbidden()
	for _, f := range repo(t, "") {
		if strings.Contains(f.name, "testdata/") && !strings.HasSuffix(f.name, ".go") {
			continue // Reports and logs of others say what they like.
		}
		for word, pattern := range words {
			// Looking for a text is a hundred times as fast as matching a pattern.
			if strings.Contains(f.text, word) && (pattern == nil || pattern.MatchString(f.text)) {
				t.Errorf("%s contains %q", f.name, word)
			}
		}
	}
}

// goFile is a parsed file that is not a test.
type goFile struct {
	file
	folder string
	fset   *token.FileSet
	ast    *ast.File
}

// goFiles parses the Go files of the repository without its tests.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var all []goFile
	for _, f := range repo(t, ".go") {
		if strings.HasSuffix(f.name, "_test.go") || strings.Contains(f.name, "testdata/") {
			continue
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, f.name, f.text, parser.ParseComments)
		if err != nil {
			t.Error(err)
			continue
		}
		all = append(all, goFile{f, path.Dir(f.name), fset, parsed})
	}
	return all
}

func TestNothingRunsAtImport(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.fset.Position(fn.Pos()))
			}
		}
	}
}

func TestSelectors(t *testing.T) {
	rules := []struct {
		selector string
		allowed  func(folder string) bool
		why      string
	}{
		{"os.Args", func(folder string) bool { f := floorOf(folder); return f == mains || f == beside }, "only mains read arguments"},
		{"kingpin.CommandLine", func(folder string) bool { return within(folder, "collectors/node") }, "each main has an application of its own"},
		{"http.DefaultServeMux", func(string) bool { return false }, "other packages add routes to it"},
		{"http.DefaultClient", func(string) bool { return false }, "it has no timeout"},
		{"prometheus.DefaultRegisterer", func(string) bool { return false }, "register where you are told"},
		{"time.Now", func(folder string) bool { return floorOf(folder) > reports }, "reports have no clock"},
		{"slog.Default", func(string) bool { return false }, "loggers are passed"},
	}
	for _, f := range goFiles(t) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, r := range rules {
				if r.selector == x.Name+"."+s.Sel.Name && !r.allowed(f.folder) {
					t.Errorf("%s uses %s: %s", f.fset.Position(s.Pos()), r.selector, r.why)
				}
			}
			return true
		})
	}
}

// thick are the lines that the mains may have, and what of them is served: flags,
// values and run. What does work belongs to the floors below. Lower a number when
// a main shrinks.
var thick = map[string]int{
	"exporters/dmarc_exporter":            700,
	"exporters/internal/dmarc":            610,
	"exporters/internal/nginx":            560,
	"exporters/internal/node":             180,
	"exporters/internal/postgres":         1240,
	"exporters/internal/redis":            1200,
	"exporters/nginx_exporter":            20,
	"exporters/node_exporter":             20,
	"exporters/postgres_queries_exporter": 20,
	"exporters/redis_exporter":            20,
	"exporters/suite_exporter":            200,
}

func TestMainsAreThin(t *testing.T) {
	lines := map[string]int{}
	for _, f := range goFiles(t) {
		if floor := floorOf(f.folder); floor != mains && floor != served {
			continue
		}
		lines[f.folder] += f.lines()
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil && fn.Name.Name == "main" && len(fn.Body.List) != 1 {
				t.Errorf("%s: main has %d statements, want the one that ends with the code of run", f.fset.Position(fn.Pos()), len(fn.Body.List))
			}
		}
	}
	for folder, n := range lines {
		if n > thick[folder] {
			t.Errorf("%s has %d lines, want at most %d: a main is flags, values and run", folder, n, thick[folder])
		}
	}
}
