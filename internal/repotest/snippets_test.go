package repotest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGoInDocuments compiles the programs in the documents: the blocks of Go
// that begin with a package clause.
func TestGoInDocuments(t *testing.T) {
	block := regexp.MustCompile("(?ms)^```go\npackage \\w+\n(.*?)^```")
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	args := []string{"build"}
	for _, f := range repo(t, ".md") {
		if strings.Contains(f.name, "testdata/") {
			continue
		}
		for _, m := range block.FindAllStringSubmatch(f.text, -1) {
			name := fmt.Sprintf("snippet%d", len(overlay.Replace))
			source := filepath.Join(dir, name+".go")
			// As a library it is compiled and not linked.
			if err := os.WriteFile(source, []byte("package "+name+"\n"+m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			// The package exists only in the overlay, where it sees this module.
			place, err := filepath.Abs(filepath.Join(root, "docs", name, "main.go"))
			if err != nil {
				t.Fatal(err)
			}
			overlay.Replace[place] = source
			args = append(args, "./docs/"+name)
			t.Logf("%s is from %s", name, f.name)
		}
	}
	if len(overlay.Replace) == 0 {
		t.Skip("no document holds a program")
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append([]string{args[0], "-overlay=" + file}, args[1:]...)...)
	cmd.Dir = root
	// What the tests compiled need not be compiled again in another way.
	cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" "+os.Getenv("DOCUMENTS_GOFLAGS")))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go build: %v\n%s", err, out)
	}
}
