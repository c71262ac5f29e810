package ci

import (
	"slices"
	"strings"
	"testing"
)

// TestDeploy tells the whole story: A, B that is not healthy, the return to A,
// C, and the rollback to A by request and by tag.
func TestDeploy(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.release("a")
	h.wantRunning("a")
	out, ok := h.run("release", "--image", image("bad"))
	if ok || !strings.Contains(out, "back in force") {
		t.Errorf("deploy of an unhealthy image: ok %t\n%s", ok, out)
	}
	h.wantRunning("a")
	if tags := h.read(".tags"); !strings.HasPrefix(tags, image("a")+" registry.example/app:backup-") {
		t.Errorf("the backup tag names %q, want the image from before", tags)
	}
	h.release("c")
	h.wantRunning("c")
	if out := h.must("rollback", "--dry-run"); !strings.Contains(out, image("a")) {
		t.Errorf("dry run: %s, want A", out)
	}
	h.wantRunning("c")
	h.must("rollback")
	h.wantRunning("a")
	if got, want := h.outcomes(), "deployed failed returned deployed rolled-back"; got != want {
		t.Errorf("history %q, want %q", got, want)
	}
	lines := strings.Split(strings.TrimSpace(h.must("history")), "\n")
	h.must("rollback", "--to", strings.Split(lines[len(lines)-1], "\t")[2])
	h.wantRunning("c")
	h.must("rollback", "--to", image("a"))
	h.wantRunning("a")
}

// TestTagsSort holds that no two deployments share a tag and that tags sort as
// they were made, whatever the host's clock does.
func TestTagsSort(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for i, clock := range []string{"20260101000000", "20260101000000", "20200101000000", "no clock", "20260102000000"} {
		h.write(".clock", clock+"\n")
		h.release(string(rune('a' + i)))
	}
	var tags []string
	for _, line := range strings.Split(strings.TrimSpace(h.read("deployments.tsv")), "\n") {
		tags = append(tags, strings.Split(line, "\t")[2])
	}
	want := []string{
		"backup-20260101000000-000000", "backup-20260101000000-000001", "backup-20260101000000-000002",
		"backup-20260101000000-000003", "backup-20260102000000-000000",
	}
	if !slices.Equal(tags, want) {
		t.Errorf("tags %q, want %q", tags, want)
	}
	// Each tag leads to what it replaced.
	h.must("rollback", "--to", tags[2])
	h.wantRunning("b")
}

// TestRollbackGoesFurtherBack holds that each rollback leaves what it came from
// for good, and that an unhealthy version is never a target.
func TestRollbackGoesFurtherBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, word := range []string{"a", "b", "c"} {
		h.release(word)
	}
	h.must("rollback")
	h.wantRunning("b")
	h.release("d")
	_, _ = h.run("release", "--image", image("bad"))
	h.must("rollback")
	h.wantRunning("b")
	h.must("rollback")
	h.wantRunning("a")
	if out, ok := h.run("rollback"); ok || !strings.Contains(out, "no recorded image to roll back to") {
		t.Errorf("a fourth rollback: ok %t: %s", ok, out)
	}
	h.wantRunning("a")
}

// TestRegistryAway holds that the way back never needs the registry, and that a
// failed pull changes nothing.
func TestRegistryAway(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.release("a")
	h.release("b")
	h.write(".registry-down", "")
	calls := len(h.calls())
	out, ok := h.run("release", "--image", image("c"))
	if ok || !strings.Contains(out, "nothing was changed") || strings.Contains(out, "healthy") {
		t.Errorf("a pull that fails: ok %t: %s", ok, out)
	}
	for _, call := range h.calls()[calls:] {
		if strings.Contains(call, "compose") {
			t.Errorf("a pull that fails was followed by %s", call)
		}
	}
	h.wantRunning("b")
	h.must("rollback")
	h.wantRunning("a")
	h.mend()
	// While it is tried, somebody prunes images: the backup name is there.
	h.write(".on-curl", ": >.images\n")
	if out, ok := h.run("release", "--image", image("bad")); ok || !strings.Contains(out, image("a")+" is back in force") {
		t.Errorf("a return to a pruned image: ok %t: %s", ok, out)
	}
	h.wantRunning("a")
}

// TestHistoryIsChecked holds that a damaged history never becomes an image.
func TestHistoryIsChecked(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, word := range []string{"a", "b", "c"} {
		h.release(word)
	}
	whole := h.read("deployments.tsv")
	lines := strings.SplitAfter(whole, "\n")
	cut := len(lines[2]) - strings.Index(lines[2], "@") - 20
	for _, tt := range []struct{ name, history, want string }{
		{"as it was", whole, "b"},
		{"a cut line", whole[:len(whole)-cut], "b"},
		{"no newline", strings.TrimSuffix(whole, "\n"), "b"},
		{"CRLF", strings.ReplaceAll(whole, "\n", "\r\n"), "b"},
		{"a line of another program", lines[0] + lines[1] + "2026\tdeployed\tx\t$(reboot)\n" + lines[2], "b"},
		{"a cut line in the middle", lines[0] + lines[1][:len(lines[1])-cut] + "\n" + lines[2], "b"},
		{"two lines as one", lines[0] + strings.TrimSuffix(lines[1], "\n") + lines[2], "a"},
		{"zero bytes", lines[0] + strings.Replace(lines[1], "sha256:b0", "sha256:\x00\x00", 1) + lines[2], "b"},
		{"the digits of another alphabet", lines[0] + strings.Replace(lines[1], "b0", "b٠", 1) + lines[2], "b"},
		{"empty", "", ""},
		{"noise", "\x00\xff\t\t\n\t\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := h.clone(t)
			h.write("deployments.tsv", tt.history)
			out, ok := h.run("rollback")
			if ok != (tt.want != "") {
				t.Fatalf("rollback: ok %t: %s", ok, out)
			}
			if tt.want == "" {
				tt.want = "c"
			}
			h.wantRunning(tt.want)
			if strings.Contains(tt.name, "cut") || tt.history == "" {
				h.release("d")
				h.must("rollback")
				h.wantRunning(tt.want)
			}
		})
	}
}

func TestCleanKeepsFive(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var history, images, tags string
	for _, word := range []string{"1", "2", "3", "4", "5", "6"} {
		images += image(word) + "\n"
		tags += image(word) + " registry.example/app:backup-2025010100000" + word + "\n"
		history += "2026-01-01T00:00:00Z\tdeployed\tbackup-2025010100000" + word + "\t" + image(word) + "\n"
	}
	h.write("deployments.tsv", history)
	h.write(".images", images+"registry.example/app@<none>\n")
	h.write(".tags", tags+image("1")+" registry.example/app:stable\n")
	h.release("7")
	if got := strings.Fields(h.read(".images")); len(got) != 6 || strings.Contains(h.read(".images"), image("2")) {
		t.Errorf("images %q, want the last five and what has no digest", got)
	}
	if got := h.read(".tags"); strings.Count(got, ":backup-") != 5 || !strings.Contains(got, ":stable") {
		t.Errorf("names\n%s\nwant the last five and those of others", got)
	}
}

// TestSeveralImages holds that a project's images are one version.
func TestSeveralImages(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.must("release", "--image", "frontend="+image("f1"), "--image", "backend="+image("b1"))
	h.must("release", "--image", "backend="+image("b2"))
	if got, want := h.read(".env.image"), "BACKEND_IMAGE="+image("b2")+"\nFRONTEND_IMAGE="+image("f1")+"\n"; got != want {
		t.Errorf("compose is told\n%s, want\n%s", got, want)
	}
	if _, ok := h.run("release", "--image", "frontend="+image("bad")); ok {
		t.Error("an unhealthy frontend was accepted")
	}
	h.must("rollback")
	if got := strings.Fields(h.read(".running")); !slices.Equal(got, []string{image("b1"), image("f1")}) {
		t.Errorf("running %q after the rollback", got)
	}
}

// TestSeveralHosts holds that all hosts have one version.
func TestSeveralHosts(t *testing.T) {
	t.Parallel()
	hosts := []host{newHost(t), newHost(t)}
	both := "DEPLOY_HOST="
	for _, h := range hosts {
		both += h.dir + " "
	}
	env := []string{both}
	deploy := func(args ...string) (string, bool) { return hosts[0].runWith(env, args...) }
	want := func(words ...string) {
		t.Helper()
		for i, h := range hosts {
			h.wantRunning(words[i])
		}
	}
	if out, ok := deploy("release", "--image", image("a")); !ok {
		t.Fatal(out)
	}
	want("a", "a")
	hosts[1].write(".registry-down", "")
	if out, ok := deploy("release", "--image", image("b")); ok {
		t.Error(out)
	}
	want("a", "a")
	hosts[1].mend()
	hosts[1].write(".on-curl", "! grep -q sha256:b .running || return 22\n")
	out, ok := deploy("release", "--image", image("b"))
	if ok {
		t.Error(out)
	}
	want("a", "a")
	if got := hosts[0].outcomes(); got != "deployed deployed rolled-back" {
		t.Errorf("history of the first host %q\n%s", got, out)
	}
	if out, ok := deploy("release", "--image", image("c")); !ok {
		t.Fatal(out)
	}
	want("c", "c")
	if out, ok := deploy("rollback"); !ok {
		t.Fatal(out)
	}
	want("a", "a")
}

// TestWhatRuns holds that what runs is compared with what was asked for.
func TestWhatRuns(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.release("a")
	h.write(".ignored", "")
	out, ok := h.run("release", "--image", image("b"))
	if ok || !strings.Contains(out, "no container of the project runs "+image("b")) {
		t.Errorf("a compose file that does not use the image: ok %t: %s", ok, out)
	}
	if got := inForce(h.must("status")); got != "a" {
		t.Errorf("in force %q, want a", got)
	}
}

// TestHooks holds when the project's own programs run, and what they are told.
func TestHooks(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.release("a")
	for _, name := range []string{"before", "after", "failed"} {
		h.write("hooks/"+name, "#!/bin/sh\necho "+name+" $DEPLOY_OLD $DEPLOY_NEW $APP_IMAGE $(cat .running) >>.hooks\n")
	}
	h.release("b")
	_, _ = h.run("release", "--image", image("bad"))
	got := strings.ReplaceAll(strings.ReplaceAll(h.read(".hooks"), "registry.example/app@sha256:", ""), "0", "")
	if want := "before a b b a\nafter a b b b\nbefore b bad bad b\nfailed b bad bad b\n"; got != want {
		t.Errorf("hooks\n%swant\n%s", got, want)
	}
	h.write("hooks/before", "#!/bin/sh\necho no such column >&2\nexit 1\n")
	if out, ok := h.run("release", "--image", image("c")); ok || !strings.Contains(out, "nothing was changed") || !strings.Contains(out, "no such column") {
		t.Errorf("a migration that fails: ok %t: %s", ok, out)
	}
	h.wantRunning("b")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	code := "x;rm -rf .@sha256:" + strings.Repeat("0", 64)
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"a tag", []string{"release", "--image", "registry.example/app:latest"}, "wants repository@sha256"},
		{"code in the image", []string{"release", "--image", code}, "wants repository@sha256"},
		{"an option as the image", []string{"release", "--image", "--help@sha256:" + strings.Repeat("0", 64)}, "wants repository@sha256"},
		{"two images of one name", []string{"release", "--image", image("a"), "--image", image("b")}, "wants repository@sha256"},
		{"no image", []string{"release"}, "wants repository@sha256"},
		{"nothing to roll back to", []string{"rollback"}, "no recorded image to roll back to"},
		{"a tag that is not there", []string{"rollback", "--to", "backup-1"}, "no recorded image was replaced under backup-1"},
		{"an image that was never deployed", []string{"rollback", "--to", image("a")}, "no recorded image"},
		{"a lock without a reason", []string{"lock"}, "--message says why"},
		{"another command", []string{"relase"}, "deploy release"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, ok := h.clone(t).run(tt.args...)
			if ok || !strings.Contains(out, tt.want) || strings.Count(out, "backup-1") > 1 {
				t.Errorf("ok %t: %s, want …%s…", ok, out, tt.want)
			}
		})
	}
	cmd := h.command(nil, "release", "--image", image("a"))
	cmd.Args[len(cmd.Args)-1] = "none"
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "nothing to do") {
		t.Errorf("environment none: %v, %s", err, out)
	}
	cmd = h.command(nil, "release", "--image", image("a"))
	cmd.Args = cmd.Args[:len(cmd.Args)-2]
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "--environment is") {
		t.Errorf("no environment: %v, %s", err, out)
	}
}
