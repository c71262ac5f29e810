package dr

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start starts a script in a process group of its own, and returns when a tool
// hangs in it: the identities of both, and how the script ended.
func (s stub) start(script string, args ...string) (pid, tool int, ended chan error) {
	s.t.Helper()
	cmd := s.command(script, args...)
	var out bytes.Buffer
	cmd.Stderr = &out
	cmd.WaitDelay = time.Millisecond // A tool that outlives the script holds its output.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // It may have ended.
	ended = make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if tool, err := strconv.Atoi(strings.TrimSpace(s.read("stub/hangs"))); err == nil {
			return cmd.Process.Pid, tool, ended
		}
		select {
		case err := <-ended:
			s.t.Fatalf("%s ended: %v\n%s", script, err, out.String())
		case <-time.After(time.Millisecond):
		}
	}
}

// TestSignals ends each script while its tool works: that is never a success,
// whoever gets the signal, and a time of success stays what it was.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ script, file, hangs, success, kept string }{
		{"dr-backup", "dr_backup.prom", "backup", "dr_backup_last_run_success", `dr_backup_last_success_timestamp_seconds{stanza="main",repo="1",type="full"} 7`},
		{"dr-verify", "backup_verify.prom", "verify", `dr_repo_verify_success{repo="1"}`, `dr_repo_verify_last_success_timestamp_seconds{repo="1"} 7`},
		{"dr-restore-test", "restore_test.prom", "psql", "dr_restore_test_success", "dr_restore_test_last_success_timestamp_seconds 7"},
	} {
		for _, sent := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGKILL} {
			if signal.Ignored(sent) {
				continue // As below nohup: no shell can trap what was ignored when it began.
			}
			for _, group := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %v group %t", tt.script, sent, group), func(t *testing.T) {
					t.Parallel()
					s := newStub(t, map[string]string{tt.hangs + ".hang": ""})
					s.write("stub/info", chain("1:1:3"))
					if tt.script == "dr-backup" {
						s.write("stub/info", "[]")
					}
					// Of a run that was good.
					s.write("textfile/"+tt.file, tt.success+" 1\n"+tt.kept+"\n")
					pid, tool, ended := s.start(tt.script)
					if text := s.published(tt.file); !strings.Contains(text, "\n"+tt.success+" 0\n") || !strings.Contains(text, "\ndr_run_started_timestamp_seconds{run=\""+tt.script+"\"} ") {
						t.Errorf("while it runs:\n%s", text)
					}
					if group {
						pid = -pid
					}
					if err := syscall.Kill(pid, sent); err != nil {
						t.Fatal(err)
					}
					if !group {
						// Bash runs its trap when the tool has ended.
						if err := syscall.Kill(tool, syscall.SIGTERM); err != nil {
							t.Fatal(err)
						}
					}
					if err := <-ended; err == nil {
						t.Error("it ends with success")
					}
					text := s.published(tt.file)
					if !strings.Contains(text, "\n"+tt.success+" 0\n") || !strings.Contains(text, "\n"+tt.kept+"\n") {
						t.Errorf("after the signal:\n%s", text)
					}
					if strings.Contains(text, "dr_run_started") != (sent == syscall.SIGKILL) {
						t.Errorf("a run that has ended is under way, or one that was killed is not:\n%s", text)
					}
				})
			}
		}
	}
}

// TestFullDisk holds that a file of metrics which cannot be written whole stays
// what it was, and that the run goes on and fails.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newStub(t, map[string]string{"info": list(1000, false), "info.after": list(4102444800, false)})
	const before = "dr_backup_last_run_success 1\ndr_backup_last_success_timestamp_seconds{stanza=\"main\",repo=\"1\",type=\"full\"} 7\n"
	s.write("textfile/dr_backup.prom", before)
	s.write("bin/sync", "#!/bin/sh\nexit 1\n")
	out, metrics, ok := s.run("dr_backup.prom", "dr-backup")
	if ok || metrics != before || !strings.Contains(out, "could not be written") || !strings.Contains(out, "every backup is made") {
		t.Errorf("ok %t, metrics\n%s\n%s", ok, metrics, out)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "textfile", "*.tmp")); left != nil {
		t.Errorf("left over: %v", left)
	}
	// The device itself is full.
	if err := os.Remove(filepath.Join(s.dir, "bin/sync")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", filepath.Join(s.dir, "textfile/dr_backup.prom.tmp")); err != nil {
		t.Fatal(err)
	}
	s.write("stub/info", list(1000, false))
	if out, metrics, _ := s.run("dr_backup.prom", "dr-backup"); !strings.Contains(out, "could not be written") || !strings.Contains(metrics, "dr_backup_last_run_success 1") {
		t.Errorf("metrics\n%s\n%s", metrics, out)
	}
}

// TestOneFailureHidesNoSuccess holds that the other repository, and the dumps,
// are still made, and that the run fails all the same.
func TestOneFailureHidesNoSuccess(t *testing.T) {
	t.Parallel()
	two := func(stop int64) string {
		return fmt.Sprintf(`[{"name":"main","backup":[{"label":"B%[1]d","error":false,"database":{"id":1,"repo-key":2},"timestamp":{"stop":%[1]d},"type":"full"}]}]`, stop)
	}
	s := newStub(t, map[string]string{"info": two(1000), "info.after": two(4102444800), "backup1.code": "50"})
	s.write("more", "REPOS='1 2' DUMP_DIR="+s.dir+"/dumps DUMP_DATABASES='shop shop-test' DUMP_KEEP=1\n")
	s.write("dr.conf", s.read("dr.conf")+s.read("more"))
	s.write("dumps/empty", "")
	s.write("bin/pg_dump", "#!/bin/sh\nfor a in \"$@\"; do case $a in --file=*) echo dump >\"${a#*=}\" ;; esac; done\n")
	s.write("bin/pg_restore", "#!/bin/sh\n")
	s.write("bin/pg_dumpall", "#!/bin/sh\nfor a in \"$@\"; do case $a in --file=*) echo '-- PostgreSQL database cluster dump complete' >\"${a#*=}\" ;; esac; done\n")
	for range 2 {
		s.write("stub/info", two(1000))
		out, metrics, ok := s.run("dr_backup.prom", "dr-backup")
		if ok || !strings.Contains(metrics, "\ndr_backup_last_run_success 0\n") {
			t.Errorf("ok %t\n%s\n%s", ok, metrics, out)
		}
		for _, series := range []string{
			`{stanza="main",repo="2",type="full"} 4102444800`, `{stanza="shop",repo="dump",type="dump"} `, `{stanza="shop-test",repo="dump",type="dump"} `,
		} {
			if !strings.Contains(metrics, "\ndr_backup_last_success_timestamp_seconds"+series) {
				t.Errorf("no %s in\n%s\n%s", series, metrics, out)
			}
		}
	}
	// One dump each is kept: the name of one database begins with that of the other.
	for _, name := range []string{"shop", "shop-test", "globals"} {
		files, _ := filepath.Glob(filepath.Join(s.dir, "dumps", name, "0*"))
		if len(files) != 1 || !strings.Contains(files[0], "/00000002-") {
			t.Errorf("%s has %v, want the second", name, files)
		}
	}
}

// TestRunningIsSeen wants no data directory replaced in which a process works,
// however it is named, whoever asks, and with or without its file.
func TestRunningIsSeen(t *testing.T) {
	t.Parallel()
	s := newStub(t, nil)
	data := filepath.Join(s.dir, "data")
	s.write("data/PG_VERSION", "15\n")
	if err := os.Symlink(data, filepath.Join(s.dir, "link")); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("sleep", "1000")
	server.Dir = data
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() }) // It was killed.
	for _, name := range []string{data, data + "/", s.dir + "/link", s.dir + "/link/", s.dir + "/./data"} {
		if out, _, ok := s.run("none", "dr-restore", "--data", name); ok || !strings.Contains(out, "runs: stop it first") {
			t.Errorf("%s: ok %t: %s", name, ok, out)
		}
	}
}
