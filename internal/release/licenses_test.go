package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLicenses wants the license of each module that a binary of ours links, and
// those that differ within a module.
func TestLicenses(t *testing.T) {
	c, err := loadConfig("../../.promu.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, main := range c.Build.Binaries {
		t.Run(main.Name, func(t *testing.T) {
			t.Parallel()
			packages, err := listPackages([]string{filepath.Join("../..", main.Path)}, os.Environ())
			if err != nil {
				t.Fatal(err)
			}
			got, err := licensesOf(main.Name, packages, nil)
			if err != nil {
				t.Fatal(err)
			}
			text, modules := string(got), map[string]bool{}
			for _, p := range packages {
				if p.Module == nil || p.Module.Main {
					continue
				}
				module := p.Module.Path + " " + p.Module.Version
				if modules[module] = true; !strings.Contains(text, "\n  "+module+"\n") || !strings.Contains(text, "\n"+module+", ") {
					t.Errorf("%s is linked, and has no license", module)
				}
			}
			if len(modules) < 10 || !strings.Contains(text, "\nGo's standard library, LICENSE\n") || !strings.Contains(text, "Redistributions in binary form must reproduce the above copyright") {
				t.Errorf("the standard library or the text of a license is missing, of %d modules", len(modules))
			}
			if again, err := licensesOf(main.Name, packages, nil); err != nil || string(again) != text {
				t.Errorf("the same packages have other licenses the second time, %v", err)
			}
		})
	}
}

// TestLinkedAndUnknown wants an error for a module in a binary that is not listed:
// in this test itself, which links the reader of YAML.
func TestLinkedAndUnknown(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := thirdParty(self, list(t, ".")); err != nil {
		t.Error(err)
	}
	if _, err := thirdParty(self, list(t, "fmt")); err == nil || !strings.Contains(err.Error(), "go.yaml.in/yaml/v3 is linked") {
		t.Errorf("error %v, want one that names a linked module", err)
	}
}

// list returns a package and all that it imports.
func list(t *testing.T, packages ...string) []linkedPackage {
	t.Helper()
	all, err := listPackages(packages, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// buildMain builds the package in a folder and returns the path of the binary.
func buildMain(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "main")
	if out, err := exec.Command("go", "build", "-o", binary, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// TestLicenseFiles holds which names are licenses.
func TestLicenseFiles(t *testing.T) {
	for name, want := range map[string]bool{
		"LICENSE": true, "LICENSE.md": true, "License.txt": true, "LICENCE": true, "LICENSE-3RD-PARTY.md": true, "LICENSE.libyaml": true,
		"COPYING": true, "COPYING.md": true, "NOTICE": true, "NOTICES.txt": true, "PATENTS": true, "UNLICENSE": true,
		"license_check.go": false, "README.md": false, "notices_test.txt": false,
	} {
		if got := licenseFile.MatchString(name); got != want {
			t.Errorf("%s: %t, want %t", name, got, want)
		}
	}
}

// TestNoLicense wants an error for what may not be passed on.
func TestNoLicense(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module x.example/main\n\ngo 1.26\n\nrequire x.example/bare v1.0.0\n\nreplace x.example/bare => ./bare\n")
	write("main.go", "package main\n\nimport _ \"x.example/bare\"\n\nfunc main() {}\n")
	write("bare/go.mod", "module x.example/bare\n\ngo 1.26\n")
	write("bare/bare.go", "package bare\n")
	t.Chdir(dir)
	binary := buildMain(t, ".")
	if _, err := thirdParty(binary, list(t, ".")); err == nil || !strings.Contains(err.Error(), "x.example/bare") {
		t.Errorf("error %v, want one that names the module", err)
	}
	write("bare/LICENSE", "Do as you like.\n")
	if text, err := thirdParty(binary, list(t, ".")); err != nil || !strings.Contains(string(text), "\nDo as you like.\n") {
		t.Errorf("%v:\n%.300s", err, text)
	}
}
