package repotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/dmarc-suite/dmarc-suite"

// root is the top of the repository, seen from this package.
const root = "../.."

// file is a text file of the repository.
type file struct {
	name string // with slashes, from the root
	text string
}

// lines returns the number of lines.
func (f file) lines() int { return strings.Count(f.text, "\n") }

// files returns the text files of the repository.
var files = sync.OnceValues(func() ([]file, error) {
	var all []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if ignored(name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || name == ".git" { // A file where the checkout is a work tree.
			return nil
		}
		b, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) { // A temporary file of another test.
			return nil
		}
		if err == nil && !bytes.Contains(b, []byte{0}) {
			all = append(all, file{name, string(b)})
		}
		return err
	})
	return all, err
})

// ignored reports whether a directory is no part of the repository.
func ignored(name string) bool {
	switch name {
	case ".git", ".build", ".run", "bin", "release":
		return true
	}
	return path.Base(name) == "node_modules"
}

// repo returns the text files whose names match one of the suffixes.
func repo(t *testing.T, suffixes ...string) []file {
	t.Helper()
	all, err := files()
	if err != nil {
		t.Fatal(err)
	}
	var some []file
	for _, f := range all {
		for _, s := range suffixes {
			if strings.HasSuffix(f.name, s) {
				some = append(some, f)
			}
		}
	}
	return some
}

// pkg is what go list says about a package.
type pkg struct {
	ImportPath string
	Name       string
	Dir        string
	Imports    []string
	Deps       []string
	GoFiles    []string
}

// folder returns where the package lives, from the root.
func (p pkg) folder() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// packages returns the packages of the module.
var packages = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,Imports,Deps,GoFiles", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

// listed returns the packages of the module.
func listed(t *testing.T) []pkg {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// standard reports whether an import is of the standard library.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// within reports whether a folder is dir or below it.
func within(folder, dir string) bool { return folder == dir || strings.HasPrefix(folder, dir+"/") }

// public reports whether a folder holds a package for other modules.
func public(folder string) bool {
	return (within(folder, "dmarc") || within(folder, "collectors")) && !strings.Contains("/"+folder+"/", "/internal/")
}
