package dr

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// backrestStub answers each command with the file of its name, of its name and
// repository before that, and with the code of the file of its name with .code. A
// backup makes info.after what is listed; one with .hang never ends.
const backrestStub = `#!/bin/sh
for a in "$@"; do case "$a" in --repo=*) repo=${a#*=} ;; info | check | backup | verify | repo-ls | repo-get) command=$a ;; esac; done
if [ -f "$STUB/$command.hang" ]; then echo $$ >"$STUB/hangs.new"; mv "$STUB/hangs.new" "$STUB/hangs"; exec sleep 1000; fi
if [ -f "$STUB/$command$repo" ]; then cat "$STUB/$command$repo"; elif [ -f "$STUB/$command" ]; then cat "$STUB/$command"; fi
if [ -f "$STUB/$command$repo.code" ]; then exit "$(cat "$STUB/$command$repo.code")"; fi
if [ -f "$STUB/$command.code" ]; then exit "$(cat "$STUB/$command.code")"; fi
if [ "$command" = backup ] && [ -f "$STUB/info.after" ]; then cp "$STUB/info.after" "$STUB/info"; fi
if [ "$command" = repo-ls ] && [ -f "$STUB/psql.after" ]; then cp "$STUB/psql.after" "$STUB/psql"; fi
`

// psqlStub answers every statement with one file.
const psqlStub = `#!/bin/sh
if [ -f "$STUB/psql.hang" ]; then echo $$ >"$STUB/hangs.new"; mv "$STUB/hangs.new" "$STUB/hangs"; exec sleep 1000; fi
if [ -f "$STUB/psql" ]; then cat "$STUB/psql"; else exit 2; fi
`

// stub is a host whose pgBackRest says what a test wants.
type stub struct {
	t   *testing.T
	dir string
}

func newStub(t *testing.T, answers map[string]string) stub {
	t.Helper()
	realtest.Need(t, "bash", "jq", "flock")
	s := stub{t, t.TempDir()}
	for name, text := range answers {
		s.write("stub/"+name, text)
	}
	s.write("bin/pgbackrest", backrestStub)
	s.write("bin/pg_dump", "#!/bin/sh\n")
	s.write("bin/psql", psqlStub)
	s.write("state/empty", "")
	s.write("textfile/empty", "")
	s.write("dr.conf", fmt.Sprintf("STANZA=main REPOS=1 TEXTFILE_DIR=%[1]s/textfile STATE_DIR=%[1]s/state RTO_SECONDS=1 RPO_SECONDS=1 PG_BIN=%[1]s/bin\n", s.dir))
	return s
}

func (s stub) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a script and returns its output, and the file that it published.
func (s stub) run(file, script string, args ...string) (output, metrics string, ok bool) {
	s.t.Helper()
	out, err := s.command(script, args...).CombinedOutput()
	return string(out), s.published(file), err == nil
}

func (s stub) command(script string, args ...string) *exec.Cmd {
	cmd := exec.Command("bash", append([]string{script}, args...)...)
	cmd.Env = []string{"PATH=" + s.dir + "/bin:" + os.Getenv("PATH"), "DR_CONFIG=" + s.dir + "/dr.conf", "STUB=" + s.dir + "/stub", "LC_ALL=C", "TZ=UTC"}
	return cmd
}

// asUser runs a script as somebody who is not root.
func (s stub) asUser(script string, args ...string) string {
	s.t.Helper()
	cmd := s.command(script, args...)
	if user := realtest.Unprivileged(s.t, s.dir); user != nil {
		// Root's checkout may be closed to others, so bash reads the script from here.
		for _, name := range []string{script, "lib.sh", "wal.sh"} {
			text, err := os.ReadFile(name)
			if err != nil {
				s.t.Fatal(err)
			}
			s.write("scripts/"+name, string(text))
		}
		// The directory of all of a test's is closed to others.
		if err := os.Chmod(filepath.Dir(s.dir), 0o755); err != nil {
			s.t.Fatal(err)
		}
		cmd.Args[1], cmd.Dir = s.dir+"/scripts/"+script, s.dir
		if out, err := exec.Command("chown", "-R", fmt.Sprint(user.Uid), s.dir).CombinedOutput(); err != nil {
			s.t.Fatalf("%v: %s", err, out)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	}
	out, _ := cmd.CombinedOutput() // Some are refused.
	return string(out)
}

// published returns a file of the textfile directory, or nothing.
func (s stub) published(name string) string { return s.read("textfile/" + name) }

func (s stub) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(s.dir, name)) // Some tests want none.
	return string(text)
}

// report is what pgbackrest verify prints, with the numbers of one backup.
func report(status string, valid, missing, checksum int) string {
	return fmt.Sprintf(`stanza: main
status: %s
  archiveId: 15-1, total WAL checked: 3, total valid WAL: 3
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261126-010203F, status: valid, total files checked: 900, total valid files: %d
    missing: %d, checksum invalid: %d, size invalid: 0, other: 0
`, status, valid, missing, checksum)
}

func TestVerifyReadsTheText(t *testing.T) {
	tests := []struct {
		name    string
		answers map[string]string
		good    bool
		want    string
	}{
		{"whole", map[string]string{"verify": report("ok", 900, 0, 0)}, true, `state="valid"} 900`},
		{"damaged, and yet the code is 0", map[string]string{"verify": report("error", 899, 0, 1)}, false, `state="checksum_invalid"} 1`},
		{"a file is missing", map[string]string{"verify": report("ok", 899, 1, 0)}, false, `state="missing"} 1`},
		{"no files are no proof", map[string]string{"verify": report("ok", 0, 0, 0)}, false, `state="valid"} 0`},
		{"nothing is said", nil, false, `state="valid"} 0`},
		{"it fails", map[string]string{"verify": report("ok", 900, 0, 0), "verify.code": "28"}, false, `state="valid"} 900`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStub(t, tt.answers)
			s.write("stub/info", chain("1:1:3"))
			s.write("stub/repo-ls", archive("1:1-4"))
			out, metrics, ok := s.run("backup_verify.prom", "dr-verify", "--no-restore")
			sample := map[bool]string{true: `dr_repo_verify_success{repo="1"} 1`, false: `dr_repo_verify_success{repo="1"} 0`}[tt.good]
			if ok != tt.good || !strings.Contains(metrics, sample) || !strings.Contains(metrics, tt.want) {
				t.Errorf("ok %t, want %t\n%s\n%s", ok, tt.good, out, metrics)
			}
			if got := strings.Contains(metrics, "\ndr_repo_verify_last_success_timestamp_seconds{"); got != tt.good {
				t.Errorf("a time of success: %t, want %t\n%s", got, tt.good, metrics)
			}
		})
	}
}

// list is what pgbackrest info prints of one backup.
func list(stop int64, failed bool) string {
	return fmt.Sprintf(`[{"name":"main","backup":[{"label":"B%[3]d","error":%[1]t,"database":{"id":1,"repo-key":1},"timestamp":{"start":%[2]d,"stop":%[3]d},"type":"full"}]}]`, failed, stop-1, stop)
}

func TestBackupBelievesTheList(t *testing.T) {
	const future = 4102444800 // After this run, whenever that is.
	tests := []struct {
		name    string
		answers map[string]string
		args    []string
		good    bool
		want    string
	}{
		{"good", map[string]string{"info": list(1000, false), "info.after": list(future, false)}, nil, true, `{stanza="main",repo="1",type="full"} 4102444800`},
		{"nothing is listed", map[string]string{"info": `[{"name":"main","backup":[]}]`}, nil, false, "lists no good backup"},
		{"the newest was there before", map[string]string{"info": list(future, false)}, nil, false, "lists no good backup of this run: its newest is "},
		{"an error of another repository is no JSON", map[string]string{"info": list(1000, false), "info.after": strings.Replace(list(future, false), "\"main\"", "\"ma\nin\"", 1)}, nil, true, `type="full"} 4102444800`},
		{"the newest has errors", map[string]string{"info": list(1000, true), "info.after": list(future, true)}, nil, false, "lists no good backup"},
		{"archiving does not work", map[string]string{"info": list(1000, false), "info.after": list(future, false), "check.code": "82"}, nil, false, "dr_backup_last_run_success 0"},
		{"the backup fails", map[string]string{"info": list(future, false), "backup.code": "50"}, nil, false, "dr_backup_last_run_success 0"},
		{"an unknown type", nil, []string{"daily"}, false, "the type is full, diff or incr"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, metrics, ok := newStub(t, tt.answers).run("dr_backup.prom", "dr-backup", tt.args...)
			if ok != tt.good || !strings.Contains(out+metrics, tt.want) {
				t.Errorf("ok %t, want %t and …%s…\n%s\n%s", ok, tt.good, tt.want, out, metrics)
			}
			if tt.args == nil && strings.Contains(metrics, "\ndr_backup_last_run_success 1\n") != tt.good {
				t.Errorf("metrics of a run that is good: %t\n%s", tt.good, metrics)
			}
		})
	}
}

// TestOneRunAtATime holds the lock and wants the second run to say so, and to
// leave the metrics of the first alone.
func TestOneRunAtATime(t *testing.T) {
	s := newStub(t, map[string]string{"info": list(4102444800, false)})
	f, err := os.Create(filepath.Join(s.dir, "state/dr-backup.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	out, metrics, ok := s.run("dr_backup.prom", "dr-backup")
	if ok || metrics != "" || !strings.Contains(out, "another run holds") {
		t.Errorf("ok %t, metrics %q\n%s", ok, metrics, out)
	}
}

func TestConfigurationIsComplete(t *testing.T) {
	s := newStub(t, nil)
	s.write("dr.conf", "STANZA=main\n")
	if out, _, ok := s.run("dr_backup.prom", "dr-backup"); ok || !strings.Contains(out, "REPOS is not set in ") {
		t.Errorf("ok %t\n%s", ok, out)
	}
	whole := newStub(t, nil)
	conf := whole.read("dr.conf")
	for _, setting := range []string{"RPO_SECONDS=5m", "RTO_SECONDS=-1", "DUMP_KEEP=0", "WAL_SEGMENT_BYTES=16MB"} {
		name, value, _ := strings.Cut(setting, "=")
		whole.write("dr.conf", conf+setting+"\n")
		out, metrics, ok := whole.run("dr_backup.prom", "dr-backup")
		if ok || metrics != "" || !strings.Contains(out, name+" is a whole number above 0, not "+value) {
			t.Errorf("%s: ok %t, metrics %q\n%s", setting, ok, metrics, out)
		}
	}
}
