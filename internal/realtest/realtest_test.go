package realtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestNeed(t *testing.T) {
	paths := Need(t, "sh")
	if out, err := exec.Command(paths["sh"], "-c", "echo ok").Output(); err != nil || string(out) != "ok\n" {
		t.Errorf("ran %s: %q, %v", paths["sh"], out, err)
	}
	for _, required := range []string{"", "1"} {
		t.Setenv("REQUIRE_SERVICES", required)
		f := &fakeT{TB: t}
		f.run(func() { Need(f, "sh", "no-such-server", "nor-this-one") })
		const missing = "not installed: no-such-server, nor-this-one"
		if got, want := f.outcome, map[string]string{"": "skip", "1": "fatal"}[required]; got != want || !strings.HasPrefix(f.text, missing) {
			t.Errorf("REQUIRE_SERVICES=%q: got %s %q, want %s %q", required, got, f.text, want, missing)
		}
	}
}

// fakeT notes how a test would end.
type fakeT struct {
	testing.TB
	outcome, text string
}

// run calls f until it ends the test.
func (f *fakeT) run(body func()) {
	defer func() {
		if v := recover(); v != nil && v != f {
			panic(v)
		}
	}()
	body()
}

func (f *fakeT) Helper() {}

func (f *fakeT) Skip(args ...any) {
	f.outcome, f.text = "skip", fmt.Sprint(args...)
	panic(f)
}

func (f *fakeT) Fatal(args ...any) {
	f.outcome, f.text = "fatal", fmt.Sprint(args...)
	panic(f)
}

func TestFindNewestVersion(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"9", "16", "15"} {
		bin := dir + "/" + version + "/bin"
		if err := os.MkdirAll(bin, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(bin+"/a-server", nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := find("a-server", dir+"/none", dir+"/*/bin"), dir+"/16/bin/a-server"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFreePort(t *testing.T) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", FreePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestProcess(t *testing.T) {
	sh := Need(t, "sh")["sh"]
	t.Run("ready and stopped", func(t *testing.T) {
		p := Start(t, exec.Command(sh, "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done"))
		p.WaitFor(t, func() error {
			if p.Output() != "up\n" {
				return errors.New("not up")
			}
			return nil
		})
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		p.Stop()
		if code := p.ExitCode(); code != 3 {
			t.Errorf("exit code %d, want 3, that of the SIGTERM trap", code)
		}
	})
	t.Run("killed", func(t *testing.T) {
		p := Start(t, exec.Command(sh, "-c", "trap '' TERM; while :; do sleep 0.01; done"))
		p.Kill()
		if code := p.ExitCode(); code != -1 {
			t.Errorf("exit code %d, want -1 for a signal", code)
		}
	})
	t.Run("output is bounded", func(t *testing.T) {
		p := Start(t, exec.Command(sh, "-c", "i=0; while [ $i -lt 3000 ]; do echo '0123456789012345678901234567890123456789'; i=$((i+1)); done; echo end"))
		<-p.Done()
		if s := p.Output(); !strings.HasSuffix(s, "end\n") || len(s) > 2*tailSize {
			t.Errorf("%d bytes kept, want at most %d and the end", len(s), 2*tailSize)
		}
	})
}

func TestUnprivileged(t *testing.T) {
	sh := Need(t, "sh")["sh"]
	dir := t.TempDir()
	credential := Unprivileged(t, dir)
	if credential == nil {
		t.Skip("not root: there is nothing to drop")
	}
	cmd := exec.Command(sh, "-c", "id -u")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	p := Start(t, cmd)
	if p.ExitCode(); p.Output() == "0\n" {
		t.Error("the process runs as root")
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != credential.Uid {
		t.Errorf("the directory belongs to %d, want %d", owner, credential.Uid)
	}
}

func TestDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	check := Dial("tcp", l.Addr().String())
	if err := check(); err != nil {
		t.Error(err)
	}
	l.Close()
	if err := check(); err == nil {
		t.Error("a closed port is said to be open")
	}
}
