// Command release builds the archives of a release with plain Go: every binary
// of .promu.yml for every platform, static and reproducible, one tarball a
// platform, a bill of materials a binary, and sha256sums.txt. The same commit
// gives the same bytes. Images and packages are made from these archives.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	platforms := flag.String("platforms", "", "build these only, as linux/amd64,linux/arm64")
	flag.Parse()
	if err := run("release", *platforms); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run writes the release of the checkout in the working directory into dir, for
// the platforms given or all of .promu.yml.
func run(dir, platforms string) error {
	config, err := loadConfig(".promu.yml")
	if err != nil {
		return err
	}
	if platforms != "" {
		config.Crossbuild.Platforms = strings.Split(platforms, ",")
	}
	head, err := readHead()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var files []string
	for _, platform := range config.Crossbuild.Platforms {
		made, err := buildPlatform(config, head, platform, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		fmt.Println(made[0])
		files = append(files, made...)
	}
	return writeSums(filepath.Join(dir, "sha256sums.txt"), files)
}

// head is what the checkout says about itself.
type head struct {
	version, revision, branch string
	committed                 time.Time
}

func readHead() (head, error) {
	version, err := os.ReadFile("VERSION")
	if err != nil {
		return head{}, err
	}
	h := head{version: strings.TrimSpace(string(version))}
	if h.revision, err = git("rev-parse", "HEAD"); err != nil {
		return head{}, err
	}
	if h.branch, err = git("rev-parse", "--abbrev-ref", "HEAD"); err != nil {
		return head{}, err
	}
	stamp, err := git("log", "-1", "--format=%ct")
	if err != nil {
		return head{}, err
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return head{}, fmt.Errorf("commit time %q: %w", stamp, err)
	}
	h.committed = time.Unix(seconds, 0).UTC()
	return h, nil
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// linuxOnly are the binaries that other systems have no static build of:
// node_exporter's collectors need cgo there.
var linuxOnly = map[string]bool{"node_exporter": true}

// buildPlatform builds every binary for one platform such as linux/amd64 and
// returns the paths of its tarball and of the bills of materials.
func buildPlatform(c *config, h head, platform, dir string) ([]string, error) {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return nil, fmt.Errorf("platform wants the form os/arch")
	}
	tmp, err := os.MkdirTemp("", "release")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	name := fmt.Sprintf("dmarc-suite-%s.%s-%s", h.version, goos, goarch)
	files := []string{filepath.Join(dir, name+".tar.gz")}
	var members []member
	for _, binary := range c.Build.Binaries {
		if linuxOnly[binary.Name] && goos != "linux" {
			continue
		}
		out := filepath.Join(tmp, binary.Name)
		cmd := exec.Command("go", c.buildArgs(h, binary.Path, out)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch, "GOFLAGS=-buildvcs=false")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("build %s: %w", binary.Name, err)
		}
		packages, err := listPackages([]string{binary.Path}, cmd.Env)
		if err != nil {
			return nil, fmt.Errorf("packages of %s: %w", binary.Name, err)
		}
		sbom := filepath.Join(dir, fmt.Sprintf("%s-%s.%s-%s.cdx.json", binary.Name, h.version, goos, goarch))
		if err := writeSBOM(sbom, binary.Name, h.version, out, packages, h.committed); err != nil {
			return nil, fmt.Errorf("bill of materials of %s: %w", binary.Name, err)
		}
		files = append(files, sbom)
		licenses := filepath.Join(tmp, licensesPrefix+binary.Name)
		text, err := thirdParty(out, packages)
		if err != nil {
			return nil, fmt.Errorf("licenses of %s: %w", binary.Name, err)
		}
		if err := os.WriteFile(licenses, text, 0o644); err != nil {
			return nil, err
		}
		members = append(members, member{name: name + "/" + binary.Name, path: out, mode: 0o755},
			member{name: name + "/" + filepath.Base(licenses), path: licenses, mode: 0o644})
	}
	for _, file := range c.Tarball.Files {
		members = append(members, member{name: name + "/" + file, path: file, mode: 0o644})
	}
	return files, writeTarball(files[0], members, h.committed)
}
