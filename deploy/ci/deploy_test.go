// Package ci tests the deployment script against a host that is a directory.
package ci

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// dockerStub keeps what is running in a file, and every image that was pulled.
// An application whose image ends in "bad…" is never healthy.
const dockerStub = `#!/bin/sh
case "$1 $2" in
"pull --quiet") echo "$3" >>images ;;
"compose --env-file") sed -n 's/^APP_IMAGE=//p' .env.image >running ;;
"image ls") sort -u images ;;
"image rm") grep -vxF "$3" images >images.tmp; mv images.tmp images ;;
tag*) printf '%s %s\n' "$2" "$3" >>tags ;;
*) echo "unexpected: docker $*" >&2; exit 1 ;;
esac
`

const curlStub = "#!/bin/sh\n! grep -q sha256:bad running\n"

// host is the directory that stands for the server.
type host struct {
	t   *testing.T
	dir string
}

func newHost(t *testing.T) host {
	t.Helper()
	h := host{t, t.TempDir()}
	bin := filepath.Join(h.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"bin/docker": dockerStub, "bin/curl": curlStub, ".env": "", "images": ""} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// run runs the script against the host.
func (h host) run(args ...string) (output string, ok bool) {
	h.t.Helper()
	cmd := exec.Command("./deploy", args...)
	cmd.Env = append(
		os.Environ(), "DEPLOY_TRANSPORT=bash -s", "DEPLOY_DIR="+h.dir, "HEALTH_URL=http://127.0.0.1/health", "HEALTH_TRIES=2",
		"HEALTH_PAUSE=0", "PATH="+filepath.Join(h.dir, "bin")+":"+os.Getenv("PATH"),
	)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func (h host) read(name string) string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

func (h host) wantRunning(image string) {
	h.t.Helper()
	if got := strings.TrimSpace(h.read("running")); got != image {
		h.t.Errorf("running %q, want %q", got, image)
	}
}

// image returns an image whose digest starts with a word of hexadecimal digits.
func image(word string) string {
	return "registry.example/app@sha256:" + word + strings.Repeat("0", 64-len(word))
}

// TestDeploy tells the whole story: A, B that is not healthy, the return to A,
// C, and the rollback to A by request and by tag.
func TestDeploy(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	h := newHost(t)
	a, b, c := image("a"), image("bad"), image("c")
	release := []string{"release", "--environment", "staging", "--image"}
	if out, ok := h.run(append(release, a)...); !ok {
		t.Fatalf("deploy A: %s", out)
	}
	h.wantRunning(a)
	out, ok := h.run(append(release, b)...)
	if ok || !strings.Contains(out, "back in force") {
		t.Errorf("deploy of an unhealthy image: ok %t\n%s", ok, out)
	}
	h.wantRunning(a)
	if tags := h.read("tags"); !strings.HasPrefix(tags, a+" registry.example/app:backup-") {
		t.Errorf("the backup tag names %q, want the image from before", tags)
	}
	if out, ok := h.run(append(release, c)...); !ok {
		t.Fatalf("deploy C: %s", out)
	}
	h.wantRunning(c)
	if out, ok := h.run("rollback", "--environment", "staging", "--dry-run"); !ok || !strings.Contains(out, a) {
		t.Errorf("dry run: %s, want A", out)
	}
	h.wantRunning(c)
	if out, ok := h.run("rollback", "--environment", "staging"); !ok {
		t.Fatalf("rollback: %s", out)
	}
	h.wantRunning(a)

	history, _ := h.run("history", "--environment", "staging")
	lines := strings.Split(strings.TrimSpace(history), "\n")
	var outcomes []string
	for _, line := range lines {
		outcomes = append(outcomes, strings.Split(line, "\t")[1])
	}
	if got, want := strings.Join(outcomes, " "), "deployed failed returned deployed rolled-back"; got != want {
		t.Errorf("history %q, want %q", got, want)
	}
	tag := strings.Split(lines[len(lines)-1], "\t")[2]
	if out, ok := h.run("rollback", "--environment", "staging", "--to", tag); !ok {
		t.Fatalf("rollback to %s: %s", tag, out)
	}
}

func TestCleanKeepsFive(t *testing.T) {
	h := newHost(t)
	for _, word := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		if out, ok := h.run("release", "--environment", "production", "--image", image(word)); !ok {
			t.Fatalf("deploy %s: %s", word, out)
		}
	}
	images := strings.Fields(h.read("images"))
	if len(images) != 5 || strings.Contains(h.read("images"), image("2")) {
		t.Errorf("images %q, want the last five", images)
	}
}

func TestRefusals(t *testing.T) {
	h := newHost(t)
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"a tag", []string{"release", "--environment", "staging", "--image", "registry.example/app:latest"}, "wants repository@sha256"},
		{"code in the image", []string{"release", "--environment", "staging", "--image", "x;rm -rf .@sha256:" + strings.Repeat("0", 64)}, "wants repository@sha256"},
		{"no environment", []string{"release", "--image", image("a")}, "--environment is"},
		{"nothing to roll back to", []string{"rollback", "--environment", "staging"}, "no recorded image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, ok := h.run(tt.args...)
			if ok || !strings.Contains(out, tt.want) {
				t.Errorf("ok %t: %s, want …%s…", ok, out, tt.want)
			}
		})
	}
	if out, ok := h.run("release", "--environment", "none", "--image", image("a")); !ok || !strings.Contains(out, "nothing to do") {
		t.Errorf("environment none: ok %t, %s", ok, out)
	}
}
