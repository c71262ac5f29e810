// Package jail is for tests that do what docs/install.md says: it runs programs as
// units and containers do, as far as a machine can without either. In a root of its
// own a program has the user, the files, the secrets, the variables and the arguments
// that it would have. What stays untried are images that an engine pulls, the sandbox
// and the limits that systemd or an engine puts around a program, and programs that
// are not ours.
package jail

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// root is the top of the repository, seen from the folders of tests.
const root = "../../.."

// Need skips a test without programs or without the rights of root, or fails it where
// CI promised them.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	NeedPrograms(t, programs...)
	if os.Getuid() != 0 {
		lacking(t, "root alone makes roots")
	}
}

// NeedPrograms skips a test without programs, or fails it where CI promised them.
func NeedPrograms(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			lacking(t, "not installed: "+program)
		}
	}
}

func lacking(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("REQUIRE_SERVICES") == "1" {
		t.Fatal(why, " (REQUIRE_SERVICES=1)")
	}
	t.Skip(why)
}

// programs builds the exporters as a release has them; those that are there already
// are not built again.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := filepath.Abs(root + "/.build/programs")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir+"/", "./exporters/...")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

// Program is the path of an exporter.
func Program(t testing.TB, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// Install puts an exporter at a path.
func Install(t testing.TB, name, path string) {
	t.Helper()
	program := Program(t, name)
	if err := os.Link(program, path); err != nil { // It may be on another disk.
		Write(t, path, Read(t, program), 0o755)
	}
}

// Exporters are the programs with what tells in their metrics that they run, though
// not with what they watch.
var Exporters = map[string]string{
	"dmarc_exporter":            "\ndmarc_up 1\n",
	"postgres_queries_exporter": "\npg_up 0\n",
	"redis_exporter":            "\nredis_up 0\n",
	"nginx_exporter":            "\nnginx_up 0\n",
	"node_exporter":             "\nnode_exporter_build_info{",
	"suite_exporter":            "\nsuite_exporter_part_up{part=\"node\"} 1\n",
}

// Write writes a file with a mode, whatever the umask, and the directories above it.
func Write(t testing.TB, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

// Read reads a file.
func Read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Jail is a root in which a program runs as a user that owns nothing.
type Jail struct {
	Dir         string
	User        uint32 // and its group
	Environment []string
}

// Command is a program of the jail, which a signal ends when the context does.
func (j Jail) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Dir = append([]string{"PATH=/usr/bin:/bin"}, j.Environment...), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: j.Dir, Credential: &syscall.Credential{Uid: j.User, Gid: j.User}}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// Start starts a service, and wants it to end without an error when the test does.
func (j Jail) Start(t testing.TB, args ...string) *Log {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd, l := j.Command(ctx, args...), &Log{ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = l, l
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatalf("%q: %v", args, err)
	}
	go func() {
		defer close(l.ended)
		_ = cmd.Wait() // Its exit code is looked at.
	}()
	t.Cleanup(func() {
		cancel()
		<-l.ended
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%q ends with %d:\n%s", args, code, l)
		}
	})
	return l
}

// Log is what a program prints.
type Log struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ended chan struct{} // is closed when it prints no more
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is what was printed so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Metrics asks until a program answers.
func Metrics(t testing.TB, address string, l *Log) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		text, err := get(ctx, "http://"+address+"/metrics")
		if err == nil {
			return text
		}
		select {
		case <-l.ended:
			t.Fatalf("it has ended:\n%s", l)
		case <-ctx.Done():
			t.Fatalf("%v\n%s", err, l)
		case <-time.After(20 * time.Millisecond): // between two looks
		}
	}
}

func get(ctx context.Context, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	answer, err := (&http.Client{}).Do(r) // the context ends it
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, answer.Status)
	}
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// Address is free on loopback.
func Address(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Steps returns the commands of a section of the document, a line each.
func Steps(t testing.TB, section string) string {
	t.Helper()
	_, text, found := strings.Cut(string(Read(t, root+"/docs/install.md")), "\n## "+section+"\n")
	_, text, block := strings.Cut(text, "```sh\n")
	text, _, end := strings.Cut(text, "```\n")
	if !found || !block || !end {
		t.Fatalf("the document has no commands about %s", section)
	}
	return text
}

// Shell runs commands of the document with other paths and addresses. Functions
// stand in for commands.
func Shell(t testing.TB, dir, commands string, replaced []string, functions string) string {
	t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", functions+"\n"+strings.NewReplacer(replaced...).Replace(commands))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\nof the commands\n%s", err, out, commands)
	}
	return string(out)
}
