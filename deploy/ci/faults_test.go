package ci

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// every says how many of the faults a short run tries; FAULTS=all tries all.
func every() int {
	if os.Getenv("FAULTS") == "all" {
		return 1
	}
	return 25
}

// TestFaults releases B over A, and rolls back from it, on a host where each call
// in turn fails, is the last one before the host's part is killed, or finds the
// disk full. The host is left with one of both, deploy status names it, and the
// next run goes on from there.
func TestFaults(t *testing.T) {
	t.Parallel()
	before := newHost(t)
	before.release("e")
	before.release("a")
	released := before.clone(t)
	released.breakAt(0, "")
	released.release("b")
	for _, tt := range []struct {
		name     string
		host     host
		old, new string
		args     []string
		back     string
	}{
		{"release", before, "a", "b", []string{"release", "--image", image("b")}, "e"},
		{"unhealthy", before, "a", "bad", []string{"release", "--image", image("bad")}, "e"},
		{"rollback", released, "b", "a", []string{"rollback"}, "a"},
	} {
		counted := tt.host.clone(t)
		counted.breakAt(0, "")
		_, _ = counted.run(tt.args...)
		calls := counted.calls()
		if len(calls) < 20 {
			t.Fatalf("%s: %d calls", tt.name, len(calls))
		}
		number := 0
		for _, kind := range []string{"fail", "kill", "full"} {
			for i, call := range calls {
				if kind == "full" && !strings.HasPrefix(call, "sync ") {
					continue
				}
				if number++; number%every() != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s %s at %d %s", tt.name, kind, i+1, call), func(t *testing.T) {
					t.Parallel()
					h := tt.host.clone(t)
					h.breakAt(i+1, kind)
					out, ok := h.run(tt.args...)
					afterFault(t, h, fault{tt.old, tt.new, tt.back, out, ok, i%2 == 0})
				})
			}
		}
	}
}

// fault is a run between two versions in which something went wrong.
type fault struct {
	old, new string
	back     string // Where a rollback goes when new never got into force.
	out      string
	ok       bool
	rollback bool // The next run is a rollback, not a release.
}

// afterFault checks what a fault left, and the next run.
func afterFault(t *testing.T, h host, f fault) {
	t.Helper()
	h.mend()
	// A killed step leaves children that may hold its lock for a moment.
	if err := exec.Command("flock", h.dir+"/deploy.running", "true").Run(); err != nil {
		t.Fatal(err)
	}
	running := h.running()
	heard := func(words string) bool { return strings.Contains(f.out, words) }
	switch {
	case running != f.old && running != f.new:
		t.Fatalf("running %q, want %q or %q\n%s", running, f.old, f.new, f.out)
	case f.ok && (running != f.new || f.new == "bad"):
		t.Errorf("success, but %s runs\n%s", running, f.out)
	case (heard("nothing was changed") || heard("back in force")) && running != f.old:
		t.Errorf("%s runs, but the client heard:\n%s", running, f.out)
	case !f.ok && !heard("nothing was changed") && !heard("back in force") && !heard("was lost") && !heard("not healthy either"):
		t.Errorf("the client does not hear what is in force:\n%s", f.out)
	}
	status := h.must("status")
	interrupted := strings.Contains(status, "in progress: ")
	if interrupted && !strings.Contains(status, ": interrupted") {
		t.Errorf("status\n%s", status)
	}
	inForce := inForce(status)
	if inForce != f.old && inForce != f.new || !interrupted && inForce != running {
		t.Errorf("in force %q, running %q\n%s%s", inForce, running, f.out, status)
	}
	for _, line := range strings.Split(strings.TrimSuffix(h.read("deployments.tsv"), "\n"), "\n") {
		if strings.Count(line, "\t") != 5 {
			t.Errorf("a line of the history is not whole: %q", line)
		}
	}
	if f.rollback {
		out := h.must("rollback")
		if got, want := h.running(), f.target(interrupted, inForce); got != want {
			t.Errorf("the next rollback: %q, want %q\n%s%s", got, want, status, out)
		}
	} else {
		h.release("c")
		h.wantRunning("c")
		if got := word(h.read("image.current")); got != "c" {
			t.Errorf("in force %q, want c", got)
		}
	}
	if got := h.read("deploy.state"); got != "" {
		t.Errorf("left in progress: %s", got)
	}
}

// target returns where a rollback goes after the fault: what was interrupted is
// undone, what is in force is left for the one before. A rollback that was
// interrupted is done once, not twice.
func (f fault) target(interrupted bool, inForce string) string {
	switch {
	case f.old == "b" && inForce == f.new && !interrupted:
		return "e"
	case f.old == "b":
		return f.new
	case interrupted || inForce == f.new:
		return f.old
	}
	return f.back
}

// TestConnection loses the connection in each step, in each way.
func TestConnection(t *testing.T) {
	t.Parallel()
	before := newHost(t)
	before.release("e")
	before.release("a")
	for i, step := range []string{"begin", "pull", "switch", "release"} {
		for j, how := range []string{"before", "program", "line", "answer", "away"} {
			if every() > 1 && (i+j)%4 != 0 {
				continue
			}
			t.Run(step+" "+how, func(t *testing.T) {
				t.Parallel()
				h := before.clone(t)
				out, ok := h.runWith([]string{"CUT=" + step + " " + how}, "release", "--image", image("b"))
				if strings.Count(out, "was lost") != 1 || ok != (step == "release") {
					t.Errorf("ok %t: %s", ok, out)
				}
				afterFault(t, h, fault{"a", "b", "e", out, ok, j%2 == 0})
			})
		}
	}
}

// TestClientKilled holds that what the host has begun goes on without the client.
func TestClientKilled(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.release("a")
	// The new version is asked once the client is dead.
	h.write(".on-curl", ": >.asked\nuntil [ -e .dead ]; do command sleep 0.01; done\n")
	cmd := h.command(nil, "release", "--image", image("b"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.waitFor(".asked")
	if out, ok := h.run("release", "--image", image("c")); ok || !strings.Contains(out, "refused: another deployment is at work: release by ") {
		t.Errorf("a second deployment: ok %t: %s", ok, out)
	}
	if status := h.must("status"); !strings.Contains(status, "step starting: at work") {
		t.Errorf("status %s", status)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed.
	h.write(".dead", "")
	if err := exec.Command("flock", h.dir+"/deploy.running", "true").Run(); err != nil {
		t.Fatal(err)
	}
	h.wantRunning("b")
	if got := inForce(h.must("status")); got != "b" {
		t.Errorf("in force %q, want b", got)
	}
	h.release("c")
	h.must("rollback")
	h.wantRunning("b")
}

// waitFor returns when a file is there.
func (h host) waitFor(name string) {
	h.t.Helper()
	for h.t.Context().Err() == nil {
		if _, err := os.Stat(h.dir + "/" + name); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestTakeover holds that the claim of a client that stands still is taken over
// by another, that one that moves is not, and that the first changes nothing then.
func TestTakeover(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.release("a")
	// The first client stops between two steps, for ever.
	if out, ok := h.runWith([]string{"CUT=pull away", "DEPLOY_OWNER=first"}, "release", "--image", image("b")); ok {
		t.Fatal(out)
	}
	h.mend()
	id := h.read("deploy.state")
	// A second sees it move while it waits.
	moves := h.clone(t)
	moves.write("bin/sleep", "#!/bin/sh\nsed -i s/step=begun/step=pulled/ "+moves.dir+"/deploy.state\n")
	if out, ok := moves.runWith([]string{"PATH=" + moves.dir + "/bin:" + os.Getenv("PATH")}, "release", "--image", image("c")); ok || !strings.Contains(out, "refused: another deployment is at work: release by first") {
		t.Errorf("a claim that moves: ok %t: %s", ok, out)
	}
	// Or end.
	ends := h.clone(t)
	ends.write("bin/sleep", "#!/bin/sh\nrm "+ends.dir+"/deploy.state\n")
	if out, ok := ends.runWith([]string{"PATH=" + ends.dir + "/bin:" + os.Getenv("PATH")}, "release", "--image", image("c")); ok || !strings.Contains(out, "refused") {
		t.Errorf("a claim that ends: ok %t: %s", ok, out)
	}
	h.release("c")
	h.wantRunning("c")
	// The first comes back with its old claim.
	program := "DEPLOY_DIR=. DEPLOY_ID=" + strings.TrimPrefix(strings.Split(id, "\n")[0], "id=")
	for _, name := range []string{"state", "containers", "beside", "steps"} {
		text, err := os.ReadFile("host/" + name + ".sh")
		if err != nil {
			t.Fatal(err)
		}
		program += "\n" + string(text)
	}
	cmd := exec.Command("bash", "-s")
	cmd.Dir, cmd.Stdin = h.dir, strings.NewReader(program+"\nmain switch first </dev/null\n")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "refused: another deployment has begun since") {
		t.Errorf("a late client: %v\n%s", err, out)
	}
	h.wantRunning("c")
}

// TestLock holds that a lock set by hand refuses everybody and says who and why.
func TestLock(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.release("a")
	if out, ok := h.runWith([]string{"DEPLOY_OWNER=someone"}, "lock", "--message", "the disk is\tchanged"); !ok {
		t.Fatal(out)
	}
	for _, args := range [][]string{{"release", "--image", image("b")}, {"rollback"}, {"lock", "--message", "again"}} {
		if out, ok := h.run(args...); ok || !strings.Contains(out, "by someone since ") || !strings.Contains(out, "the disk is changed") {
			t.Errorf("%s: ok %t: %s", args[0], ok, out)
		}
	}
	if status := h.must("status"); !strings.Contains(status, "locked: by someone") {
		t.Errorf("status %s", status)
	}
	h.must("unlock")
	h.release("b")
}

// TestOddFiles holds that files which are not ours stop nothing and become nothing.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	before := newHost(t)
	before.release("a")
	before.release("b")
	number := 0
	for _, name := range []string{"image.current", "deploy.state", "deploy.tag", ".env.image", ".env.image.old", "image.current.new"} {
		for _, text := range []string{"", "\x00\x00\x00", "id=1\nnew=$(reboot)\nstep=starting\n", image("b")[:40], strings.Repeat("x", 1<<16)} {
			if number++; number%every() != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s %.8q", name, text), func(t *testing.T) {
				t.Parallel()
				h := before.clone(t)
				h.write(name, text)
				if got := inForce(h.must("status")); got != "b" {
					t.Errorf("in force %q, want b", got)
				}
				h.must("rollback")
				h.wantRunning("a")
				h.release("c")
				h.must("rollback")
				h.wantRunning("a")
			})
		}
	}
}
