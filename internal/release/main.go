// Command release builds the archives of a release with plain Go: every binary
// of .promu.yml for every platform, static and reproducible, one tarball a
// platform, and sha256sums.txt. The same commit gives the same bytes.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run("release"); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run writes the release of the checkout in the working directory into dir.
func run(dir string) error {
	config, err := loadConfig(".promu.yml")
	if err != nil {
		return err
	}
	head, err := readHead()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var archives []string
	for _, platform := range config.Crossbuild.Platforms {
		archive, err := buildPlatform(config, head, platform, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		fmt.Println(archive)
		archives = append(archives, archive)
	}
	return writeSums(filepath.Join(dir, "sha256sums.txt"), archives)
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
// returns the path of its tarball.
func buildPlatform(c *config, h head, platform, dir string) (string, error) {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return "", fmt.Errorf("platform wants the form os/arch")
	}
	tmp, err := os.MkdirTemp("", "release")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	name := fmt.Sprintf("dmarc-suite-%s.%s-%s", h.version, goos, goarch)
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
			return "", fmt.Errorf("build %s: %w", binary.Name, err)
		}
		members = append(members, member{name: name + "/" + binary.Name, path: out, mode: 0o755})
	}
	for _, file := range c.Tarball.Files {
		members = append(members, member{name: name + "/" + file, path: file, mode: 0o644})
	}
	archive := filepath.Join(dir, name+".tar.gz")
	return archive, writeTarball(archive, members, h.committed)
}
