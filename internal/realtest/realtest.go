// Package realtest runs tests against real servers: private ones, started from
// installed binaries on free loopback ports and stopped with the test.
package realtest

import (
	"cmp"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Need returns the paths of the programs called names, by name. If one is not
// installed the test is skipped, or fails if REQUIRE_SERVICES=1. It looks in
// PATH and where Debian keeps servers.
func Need(t testing.TB, names ...string) map[string]string {
	t.Helper()
	paths := make(map[string]string, len(names))
	var missing []string
	for _, name := range names {
		if p := find(name, serverDirs()...); p != "" {
			paths[name] = p
		} else {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return paths
	}
	lacking(t, "not installed: "+strings.Join(missing, ", "))
	return nil
}

// lacking skips a test whose ground is missing, or fails it if REQUIRE_SERVICES=1.
func lacking(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("REQUIRE_SERVICES") == "1" {
		t.Fatal(reason + " (REQUIRE_SERVICES=1)")
	}
	t.Skip(reason)
}

// serverDirs returns where Debian keeps servers that are not in PATH.
func serverDirs() []string {
	return []string{"/usr/lib/postgresql/*/bin", "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/dovecot"}
}

// find returns the path of a program in PATH or else in dirs, which are patterns
// of filepath.Glob, or "". Of several versions of a directory the latest counts.
func find(name string, dirs ...string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, pattern := range dirs {
		found, _ := filepath.Glob(filepath.Join(pattern, name)) // The patterns are well formed.
		slices.SortFunc(found, func(a, b string) int {
			return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(b, a))
		})
		for _, p := range found {
			if p, err := exec.LookPath(p); err == nil {
				return p
			}
		}
	}
	return ""
}

// Process is a server started by Start.
type Process struct {
	cmd    *exec.Cmd
	output *tail
	done   chan struct{}
	err    error // of Wait, set before done is closed
}

// Start starts cmd and stops it at the end of the test, first with SIGTERM. The
// process dies with the test binary. What it prints is logged if the test fails.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{cmd: cmd, output: &tail{}, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.output
	}
	if cmd.Stderr == nil {
		cmd.Stderr = p.output
	}
	cmd.WaitDelay = time.Second
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithParent(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(cmd.Path), p.output)
		}
	})
	return p
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends sig, such as SIGSTOP or SIGCONT.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Output returns the end of what the process has printed.
func (p *Process) Output() string { return p.output.String() }

// ExitCode returns the exit code of a process that has ended, -1 if a signal
// ended it.
func (p *Process) ExitCode() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop ends the process, by SIGTERM and after 5 s by SIGKILL, and waits for it.
func (p *Process) Stop() {
	_ = p.Signal(syscall.SIGCONT) // It may be stopped, or gone.
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return
	case <-time.After(5 * time.Second):
	}
	p.Kill()
}

// Kill ends the process by SIGKILL and waits for it.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// WaitFor calls ready until it returns nil. It fails the test after
// Patience, or at once when the process ends.
func (p *Process) WaitFor(t testing.TB, ready func() error) {
	t.Helper()
	limit := time.Now().Add(Patience)
	for {
		err := ready()
		if err == nil {
			return
		}
		select {
		case <-p.done:
			if err = ready(); err == nil {
				return
			}
			t.Fatalf("%s ended (%v) before it was ready: %v\n%s", p.cmd.Path, p.err, err, p.output)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(limit) {
			t.Fatalf("%s is not ready after %s: %v\n%s", p.cmd.Path, Patience, err, p.output)
		}
	}
}

// Dial returns a check for WaitFor that connects to address.
func Dial(network, address string) func() error {
	return func() error {
		c, err := net.DialTimeout(network, address, time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 32 << 10

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p...)
	if len(w.b) > 2*tailSize {
		w.b = slices.Clone(w.b[len(w.b)-tailSize:])
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.b)
}
