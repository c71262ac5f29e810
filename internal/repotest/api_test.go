package repotest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.ast.Name.Name == "main" {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && ast.IsExported(receiver(d)) && !wellKnown(d) {
					checkDoc(t, f, d, d.Name.Name, d.Doc)
				}
			case *ast.GenDecl:
				checkGenDecl(t, f, d)
			}
		}
	}
}

// wellKnown reports whether a method says all there is to say by its name.
func wellKnown(d *ast.FuncDecl) bool {
	return d.Recv != nil && slices.Contains([]string{"Error", "String", "Unwrap"}, d.Name.Name)
}

// receiver returns the name of the type of a method, and the name of a function
// itself.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	x := d.Recv.List[0].Type
	for {
		switch v := x.(type) {
		case *ast.StarExpr:
			x = v.X
		case *ast.IndexExpr:
			x = v.X
		case *ast.IndexListExpr:
			x = v.X
		case *ast.Ident:
			return v.Name
		default:
			return ""
		}
	}
}

// checkGenDecl checks types, constants and variables. The comment of a group
// holds for the constants and variables in it.
func checkGenDecl(t *testing.T, f goFile, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			doc := s.Doc
			if doc == nil {
				doc = d.Doc
			}
			if s.Name.IsExported() {
				checkDoc(t, f, s, s.Name.Name, doc)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					t.Errorf("%s: %s has no comment", f.fset.Position(s.Pos()), name)
				}
			}
		}
	}
}

// checkDoc wants a comment that begins with the name, after an article or not.
func checkDoc(t *testing.T, f goFile, n ast.Node, name string, doc *ast.CommentGroup) {
	first := doc.Text()
	for _, article := range []string{"A ", "An ", "The ", "Deprecated: "} {
		first = strings.TrimPrefix(first, article)
	}
	word, _, _ := strings.Cut(strings.ReplaceAll(first, "\n", " "), " ")
	if strings.TrimRight(word, ",.:;") != name {
		t.Errorf("%s: the comment of %s does not begin with its name", f.fset.Position(n.Pos()), name)
	}
}

func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		if strings.HasPrefix(f.ast.Doc.Text(), "Package "+f.ast.Name.Name+" ") || strings.HasPrefix(f.ast.Doc.Text(), "Command ") {
			documented[f.folder] = true
		}
	}
	example := regexp.MustCompile(`(?s)\nfunc Example\w*\(\) \{.*// (Unordered output|Output):`)
	for _, p := range listed(t) {
		folder := p.folder()
		if !documented[folder] && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", folder)
		}
		if !public(folder) {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, folder, "doc.go")); err != nil {
			t.Errorf("%s is public and has no doc.go", folder)
		}
		found := false
		for _, f := range repo(t, "_test.go") {
			if filepath.Dir(f.name) == folder && strings.Contains(f.text, "package "+p.Name+"_test\n") && example.MatchString(f.text) {
				found = true
			}
		}
		if !found {
			t.Errorf("%s is public and has no Example with output in package %s_test", folder, p.Name)
		}
	}
}
