package repotest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestActionsArePinned wants each action of others by commit, beside the version
// that a reader and a bot know it by.
func TestActionsArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	commits := map[string]string{}
	n := 0
	for _, f := range repo(t, ".yml") {
		if !strings.HasPrefix(f.name, ".github/workflows/") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^\s*(?:- )?uses: (.*)$`).FindAllStringSubmatch(f.text, -1) {
			n++
			if strings.HasPrefix(m[1], "./") {
				continue
			}
			if !pinned.MatchString(m[1]) {
				t.Errorf("%s uses %s, which is not a commit with its version", f.name, m[1])
			}
			action, _, _ := strings.Cut(m[1], "@")
			if known := commits[action]; known != "" && known != m[1] {
				t.Errorf("%s uses %s, others %s", f.name, m[1], known)
			}
			commits[action] = m[1]
		}
	}
	if n < 10 {
		t.Errorf("found %d uses of actions", n)
	}
}

// TestReleaseIsSigned holds the order of a release: scanned, built, signed,
// attested, and only then published.
func TestReleaseIsSigned(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, ".github/workflows/release.yml"))
	if err != nil {
		t.Fatal(err)
	}
	rest := string(text)
	for _, step := range []string{
		"needs: [ci, vulnerabilities]", "make packages images PUSH=1", "sha256sum --check", "cosign sign --yes", "cosign sign-blob --yes",
		"actions/attest-build-provenance@", "release/*.deb", "gh release create", "subject-digest:",
	} {
		_, after, ok := strings.Cut(rest, step)
		if !ok {
			t.Fatalf("release.yml has no %q after the steps before it", step)
		}
		rest = after
	}
	for _, job := range []string{"release", "provenance"} {
		permissions := readYAML(t, ".github/workflows/release.yml").get("jobs", job, "permissions")
		if p := object(permissions.(map[string]any)); p.str("id-token") != "write" || p.str("attestations") != "write" {
			t.Errorf("job %s cannot sign: %v", job, permissions)
		}
	}
}

// TestRenovate wants a configuration that can be read and that pins what it updates.
func TestRenovate(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "renovate.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Extends []string }
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(c.Extends, " ")
	for _, want := range []string{"config:recommended", "helpers:pinGitHubActionDigests", "docker:pinDigests"} {
		if !strings.Contains(all, want) {
			t.Errorf("renovate.json does not extend %s", want)
		}
	}
}
