package repotest

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/api")

// TestAPI compares the exported API of each public package with docs/api, so
// that a change of it is seen in a review. With -update it writes the files.
func TestAPI(t *testing.T) {
	const folder = "docs/api"
	known := map[string]bool{}
	for _, p := range listed(t) {
		if !public(p.folder()) || len(p.GoFiles) == 0 {
			continue
		}
		name := folder + "/" + strings.ReplaceAll(p.folder(), "/", "_") + ".txt"
		known[name] = true
		got := api(t, p)
		path := filepath.Join(root, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != got {
			t.Errorf("%s is not the API of %s (%v): run go test ./internal/repotest -run TestAPI -update, and say in the changelog what changed", name, p.folder(), err)
		}
	}
	for _, f := range repo(t, ".txt") {
		if within(filepath.Dir(f.name), folder) && !known[f.name] {
			t.Errorf("%s is the API of no package: remove it", f.name)
		}
	}
}

// api returns the exported declarations of a package as Go writes them, without
// comments. Behind a type that is another name of an internal one comes that one:
// users have its fields and methods.
func api(t *testing.T, p pkg) string {
	t.Helper()
	d, fset := parsePackage(t, p)
	w := &apiWriter{fset: fset}
	fmt.Fprintf(w, "package %s // import %q\n", d.Name, d.ImportPath)
	w.values(d.Consts)
	w.values(d.Vars)
	w.funcs(d.Funcs)
	for _, x := range d.Types {
		w.decl(x.Decl)
		w.values(x.Consts)
		w.values(x.Vars)
		w.funcs(x.Funcs)
		w.funcs(x.Methods)
		if name, typ := aliased(x.Decl); name != "" {
			w.aliased(t, name, typ)
		}
	}
	formatted, err := format.Source(w.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return string(formatted)
}

// parsePackage reads the exported declarations of a package.
func parsePackage(t *testing.T, p pkg) (*doc.Package, *token.FileSet) {
	t.Helper()
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(root, p.folder(), name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	d, err := doc.NewFromFiles(fset, parsed, p.ImportPath)
	if err != nil {
		t.Fatal(err)
	}
	return d, fset
}

// aliased returns the package and the type of which a declaration is another name.
func aliased(d *ast.GenDecl) (name, typ string) {
	for _, spec := range d.Specs {
		if s := spec.(*ast.TypeSpec); s.Assign.IsValid() {
			if of, ok := s.Type.(*ast.SelectorExpr); ok {
				return of.X.(*ast.Ident).Name, of.Sel.Name
			}
		}
	}
	return "", ""
}

type apiWriter struct {
	bytes.Buffer
	fset *token.FileSet
}

func (w *apiWriter) values(list []*doc.Value) {
	for _, v := range list {
		w.decl(v.Decl)
	}
}

func (w *apiWriter) funcs(list []*doc.Func) {
	for _, f := range list {
		f.Decl.Body = nil
		w.decl(f.Decl)
	}
}

// aliased writes a type of an internal package, which is the only one of its name.
func (w *apiWriter) aliased(t *testing.T, name, typ string) {
	t.Helper()
	for _, p := range listed(t) {
		if p.Name != name || public(p.folder()) {
			continue
		}
		d, fset := parsePackage(t, p)
		for _, x := range d.Types {
			if x.Name == typ {
				fmt.Fprintf(w, "\n// %s.%s:\n", name, typ)
				inner := &apiWriter{fset: fset}
				inner.decl(x.Decl)
				inner.funcs(x.Methods)
				w.Write(inner.Bytes())
				return
			}
		}
	}
	t.Errorf("no internal package has the type %s.%s", name, typ)
}

// decl writes a declaration without its comments.
func (w *apiWriter) decl(d ast.Decl) {
	ast.Inspect(d, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.GenDecl:
			x.Doc = nil
		case *ast.FuncDecl:
			x.Doc = nil
		case *ast.TypeSpec:
			x.Doc, x.Comment = nil, nil
		case *ast.ValueSpec:
			x.Doc, x.Comment = nil, nil
		case *ast.Field:
			x.Doc, x.Comment = nil, nil
		}
		return true
	})
	var b bytes.Buffer
	// Writing to a buffer does not fail, and the source was parsed.
	_ = printer.Fprint(&b, w.fset, d)
	w.WriteByte('\n')
	for line := range strings.Lines(b.String()) {
		if strings.TrimSpace(line) != "" {
			w.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
}
