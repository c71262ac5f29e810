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
	const slots = "SLOT_A=web-a 127.0.0.1:1\nSLOT_B=web-b 127.0.0.1:2\n"
	h.write("new/app/hooks/reload", "#!/bin/sh\n")
	if err := os.Chmod(h.dir+"/new/app/hooks/reload", 0o755); err != nil {
		t.Fatal(err)
	}
	for conf, want := range map[string]string{
		"SLOT_A=web-a 127.0.0.1:1\nDRAIN=3\n": "DRAIN is unknown",
		slots:                                 "UPSTREAM_FILE is missing",
		slots + "UPSTREAM_FILE=upstream.conf\nDRAIN_SECONDS=ten":          "DRAIN_SECONDS is a number, not ten",
		"SLOT_A=web-a\nSLOT_B=web-b\nUPSTREAM_FILE=upstream.conf":         "SLOT_A is a service and its address",
		strings.ReplaceAll(slots, "\n", "\r\n") + "UPSTREAM_FILE=up.conf": "",
	} {
		h.write("new/app/deploy.conf", conf)
		if out, ok := h.runWith([]string{"DEPLOY_DIR=new/app"}, "init"); ok != (want == "") || !strings.Contains(out, want) {
			t.Errorf("%q: ok %t, want %q\n%s", conf, ok, want, out)
		}
	}
	if got := h.read("new/app/up.conf"); got != "upstream app { server 127.0.0.1:1; }\n" {
		t.Errorf("the upstream of a file with the line ends of Windows: %q", got)
	}
	for _, setting := range []string{"HEALTH_TRIES=many", "HEALTH_ANSWERS=08", "HEALTH_LOOK_AGAIN=1m"} {
		if out, ok := h.runWith([]string{setting}, "status"); ok || !strings.Contains(out, " is a number, not ") {
			t.Errorf("%s: ok %t\n%s", setting, ok, out)
		}
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
