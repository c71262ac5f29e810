package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// licenseFile matches the files that a license wants to be passed on.
var licenseFile = regexp.MustCompile(`(?i)^(un)?licen[cs]es?([.-].*)?$|^copying([.-].*)?$|^notices?([.-].*)?$|^patents$|^copyright([.-].*)?$`)

// licensesPrefix begins the names of the files in an archive that hold the
// licenses of what a binary links; internal/tools/archive knows it as well.
const licensesPrefix = "THIRD_PARTY_LICENSES."

// linkedPackage is what go list prints of a package.
type linkedPackage struct {
	Dir, ImportPath string
	Imports         []string
	Standard        bool
	Module          *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// standardLibrary is what the standard library is called among modules.
const standardLibrary = "Go's standard library"

// module returns the name and version of what a package belongs to.
func (p linkedPackage) module() string {
	switch {
	case p.Standard:
		return standardLibrary
	case p.Module == nil:
		return ""
	}
	return p.Module.Path + " " + p.Module.Version
}

// thirdParty returns the licenses of everything that a binary links: its modules,
// which the linker recorded in it, and the standard library. A module without a
// license is an error.
func thirdParty(binary string, packages []linkedPackage) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	return licensesOf(filepath.Base(binary), packages, info.Deps)
}

// licensesOf returns the licenses of packages, among which must be all modules
// that were linked.
func licensesOf(name string, packages []linkedPackage, linked []*debug.Module) ([]byte, error) {
	texts, err := licenseTexts(packages)
	if err != nil {
		return nil, err
	}
	for _, m := range linked {
		if texts[m.Path+" "+m.Version] == nil {
			return nil, fmt.Errorf("%s is linked, but go list does not know it", m.Path)
		}
	}
	modules := slices.Sorted(maps.Keys(texts))
	users := map[string][]string{} // of a text
	for _, module := range modules {
		for _, name := range slices.Sorted(maps.Keys(texts[module])) {
			users[texts[module][name]] = append(users[texts[module][name]], module+", "+name)
		}
	}
	return formatLicenses(name, modules, users), nil
}

// licenseTexts returns the texts of the licenses of packages, by module and by
// their names within it. A module without one is an error.
func licenseTexts(packages []linkedPackage) (map[string]map[string]string, error) {
	standard, err := goRoot()
	if err != nil {
		return nil, err
	}
	dirs, roots := map[string]map[string]bool{}, map[string]string{} // by module
	for _, p := range packages {
		module, dir := p.module(), standard
		switch {
		case p.Standard:
			p.Dir = dir
		case p.Module == nil || p.Module.Main:
			continue
		default:
			dir = p.Module.Dir
		}
		if dirs[module] == nil {
			dirs[module], roots[module] = map[string]bool{}, dir
		}
		// A package within a module may have a license of its own.
		for d := p.Dir; ; d = filepath.Dir(d) {
			dirs[module][d] = true
			if d == dir || len(d) < len(dir) {
				break
			}
		}
	}
	texts := map[string]map[string]string{}
	for _, module := range slices.Sorted(maps.Keys(dirs)) {
		found, err := licensesIn(roots[module], slices.Sorted(maps.Keys(dirs[module])))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s has no license file in %s: look for its license before you release it", module, roots[module])
		}
		texts[module] = found
	}
	return texts, nil
}

// listPackages asks go list for a package and all that it links.
func listPackages(args, env []string) ([]linkedPackage, error) {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=Dir,ImportPath,Imports,Standard,Module"}, args...)...)
	cmd.Env, cmd.Stderr = env, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []linkedPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p linkedPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

func goRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out)), err
}

// licensesIn returns the texts of the license files in some folders, by their
// names within a module.
func licensesIn(root string, dirs []string) (map[string]string, error) {
	found := map[string]string{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !licenseFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			name, err := filepath.Rel(root, filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			found[filepath.ToSlash(name)] = strings.ReplaceAll(string(text), "\r\n", "\n")
		}
	}
	return found, nil
}

// formatLicenses writes each text once, under the modules that it belongs to.
func formatLicenses(binary string, modules []string, users map[string][]string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s contains the modules below. Their licenses follow.\n\n", binary)
	for _, module := range modules {
		fmt.Fprintf(&b, "  %s\n", module)
	}
	texts := slices.SortedFunc(maps.Keys(users), func(a, c string) int { return strings.Compare(users[a][0], users[c][0]) })
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n", strings.Repeat("=", 80))
		for _, user := range users[text] {
			fmt.Fprintf(&b, "%s\n", user)
		}
		fmt.Fprintf(&b, "%s\n\n%s\n", strings.Repeat("-", 80), strings.Trim(text, "\n"))
	}
	return b.Bytes()
}
