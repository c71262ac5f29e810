package ci

import (
	"os"
	"strings"
	"testing"
)

// TestInit prepares a host that has nothing but the programs, and says what it lacks.
func TestInit(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if err := os.Remove(h.dir + "/.env"); err != nil {
		t.Fatal(err)
	}
	h.write(".stubs", h.read(".stubs")+"docker() { [ \"$1\" != compose ] || [ -e .plugin ]; }\ndf() { echo; echo x x x 9999999; }\n")
	out, ok := h.runWith([]string{"DEPLOY_DIR=new/app"}, "init")
	if ok || !strings.Contains(out, "MISSING  a compose file in new/app") || !strings.Contains(out, "MISSING  docker compose, version 2") || !strings.Contains(out, "ok       flock") {
		t.Errorf("an empty host: ok %t\n%s", ok, out)
	}
	if info, err := os.Stat(h.dir + "/new/app/.env"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf(".env: %v, %v", info, err)
	}
	h.write("new/app/.plugin", "")
	h.write("new/app/compose.yaml", "services: {web: {image: registry.example/app:latest}}\n")
	if out, ok := h.runWith([]string{"DEPLOY_DIR=new/app"}, "init"); ok || !strings.Contains(out, "MISSING  its images are variables") {
		t.Errorf("an image that is no variable: ok %t\n%s", ok, out)
	}
	h.write("new/app/compose.yaml", "services: {web: {image: '${APP_IMAGE:?}'}}\n")
	if out, ok := h.runWith([]string{"DEPLOY_DIR=new/app"}, "init"); !ok {
		t.Errorf("a host that has everything: %s", out)
	}
	h.write("new/app/deploy.conf", "SLOT_A=web-a 127.0.0.1:1\nDRAIN=3\n")
	if out, ok := h.runWith([]string{"DEPLOY_DIR=new/app"}, "init"); ok || !strings.Contains(out, "DRAIN is unknown") {
		t.Errorf("a misspelt deploy.conf: ok %t\n%s", ok, out)
	}
	if out, ok := h.runWith([]string{"DEPLOY_DIR=nowhere"}, "release", "--image", image("a")); ok || !strings.Contains(out, "run deploy init") {
		t.Errorf("a release before init: ok %t\n%s", ok, out)
	}
}

// TestAttested holds that images whose workflows cannot be proved change nothing.
func TestAttested(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.write("bin/gh", "#!/bin/sh\necho \"$*\" >>"+h.dir+"/.gh\n! grep -q sha256:bad "+h.dir+"/.gh\n")
	env := []string{"DEPLOY_ATTESTED_BY=owner/app", "PATH=" + h.dir + "/bin:" + os.Getenv("PATH")}
	if out, ok := h.runWith(env, "release", "--image", "web="+image("a"), "--image", "job="+image("b")); !ok {
		t.Fatal(out)
	}
	want := "attestation verify oci://" + image("b") + " --repo owner/app\nattestation verify oci://" + image("a") + " --repo owner/app\n"
	if got := h.read(".gh"); got != want {
		t.Errorf("asked\n%swant\n%s", got, want)
	}
	if out, ok := h.runWith(env, "release", "--image", "web="+image("bad")); ok || !strings.Contains(out, "not attested by owner/app: nothing was changed") {
		t.Errorf("ok %t: %s", ok, out)
	}
}
