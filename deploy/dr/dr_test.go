// Package dr tests the scripts of disaster recovery against a PostgreSQL and
// real repositories of pgBackRest.
package dr

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// lab is a production server with two repositories, and the folders of the scripts.
type lab struct {
	t      *testing.T
	server *realtest.PostgresServer
	user   *syscall.Credential
	dir    string
	env    []string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	programs := realtest.Need(t, "pgbackrest", "jq", "pg_dump", "pg_amcheck", "psql", "age-keygen", "flock")
	dir, err := os.MkdirTemp("", "dr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &lab{t: t, dir: dir, user: realtest.Unprivileged(t, dir)}
	for _, d := range []string{"repo1", "repo2", "textfile", "state of tests", "dumps", "log", "lock", "spool"} {
		l.mkdir(d)
	}
	// The archive command comes when the repositories are there: until then WAL is kept.
	l.server = realtest.Postgres(t, "archive_mode=on", "wal_log_hints=on")
	l.write("pgbackrest of tests.conf", fmt.Sprintf(`[global]
repo1-path=%[1]s/repo1
repo1-retention-full=2
repo1-bundle=y
repo2-path=%[1]s/repo2
repo2-retention-full=2
repo2-cipher-type=aes-256-cbc
repo2-cipher-pass=of-the-test
log-path=%[1]s/log
lock-path=%[1]s/lock
spool-path=%[1]s/spool
start-fast=y
compress-type=lz4
archive-timeout=60
log-level-file=off
log-level-stderr=warn
[main]
pg1-path=%[2]s/data
pg1-port=%[3]d
pg1-socket-path=%[2]s
pg1-user=postgres
`, dir, l.server.Dir, l.server.Port))
	bin := filepath.Dir(programs["pg_amcheck"])
	if real, err := filepath.EvalSymlinks(programs["pg_dump"]); err == nil && filepath.Base(real) == "pg_dump" {
		bin = filepath.Dir(real)
	}
	l.write("dr.conf", fmt.Sprintf(`STANZA=main
REPOS="1 2"
TEXTFILE_DIR=%[1]s/textfile
STATE_DIR='%[1]s/state of tests'
RTO_SECONDS=240
RPO_SECONDS=60
PG_BIN=%[2]s
DUMP_DIR=%[1]s/dumps
DUMP_DATABASES=shop
DUMP_KEEP=1
CANARY_DATABASE=shop
TABLES="orders"
export PGHOST=%[3]s PGPORT=%[4]d PGUSER=postgres
. %[1]s/more.conf
`, dir, bin, l.server.Dir, l.server.Port))
	l.write("more.conf", "")
	l.env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + dir, "DR_CONFIG=" + dir + "/dr.conf", "PGBACKREST_CONFIG=" + dir + "/pgbackrest of tests.conf"}
	l.server.SQL(t, "postgres", "CREATE DATABASE shop")
	l.server.SQL(t, "shop", "CREATE TABLE orders (id int PRIMARY KEY, what text); INSERT INTO orders SELECT n, md5(n::text) FROM generate_series(1, 5000) n")
	l.must("pgbackrest", "--stanza=main", "stanza-create")
	l.server.SQL(t, "postgres", fmt.Sprintf(`ALTER SYSTEM SET archive_command = 'PGBACKREST_CONFIG="%s/pgbackrest of tests.conf" pgbackrest --stanza=main archive-push %%p'`, dir))
	l.server.SQL(t, "postgres", "ALTER SYSTEM SET archive_timeout = '2s'")
	l.server.SQL(t, "postgres", "SELECT pg_reload_conf()")
	return l
}

func (l *lab) mkdir(name string) {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		l.t.Fatal(err)
	}
	l.own(path)
}

// own gives a path to the user that the scripts run as.
func (l *lab) own(path string) {
	l.t.Helper()
	if l.user == nil {
		return
	}
	if err := os.Chown(path, int(l.user.Uid), int(l.user.Gid)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) write(name, text string) {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	l.own(path)
}

// run runs a program, or a script of this folder by its name.
func (l *lab) run(name string, args ...string) (string, error) {
	l.t.Helper()
	if strings.HasPrefix(name, "dr-") {
		name = l.copied(name)
	}
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = l.env, l.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: l.user}
	began := time.Now()
	out, err := cmd.CombinedOutput()
	l.t.Logf("%s %v took %v", name, args, time.Since(began).Round(time.Millisecond))
	return string(out), err
}

// copied returns where a copy of a script is, beside copies of the others: the
// other user may not be able to read the checkout.
func (l *lab) copied(script string) string {
	l.t.Helper()
	dir := filepath.Join(l.dir, "bin")
	if _, err := os.Stat(dir); err != nil {
		l.mkdir("bin")
		names, err := filepath.Glob("dr-*")
		if err != nil {
			l.t.Fatal(err)
		}
		libraries, err := filepath.Glob("*.sh")
		if err != nil {
			l.t.Fatal(err)
		}
		for _, name := range append(names, libraries...) {
			text, err := os.ReadFile(name)
			if err != nil {
				l.t.Fatal(err)
			}
			l.write("bin/"+name, string(text))
			if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	return filepath.Join(dir, script)
}

func (l *lab) must(name string, args ...string) string {
	l.t.Helper()
	out, err := l.run(name, args...)
	if err != nil {
		l.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

// sample returns the value of a series in a file of the textfile directory, and
// whether it is there.
func (l *lab) sample(file, series string) (float64, bool) {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.dir, "textfile", file))
	if err != nil {
		l.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindSubmatch(text)
	if m == nil {
		return 0, false
	}
	value, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		l.t.Fatal(err)
	}
	return value, true
}

func (l *lab) want(file, series string, ok func(float64) bool) {
	l.t.Helper()
	if value, there := l.sample(file, series); !there || !ok(value) {
		l.t.Errorf("%s: %s is %v (there: %t)", file, series, value, there)
	}
}

func is(want float64) func(float64) bool { return func(v float64) bool { return v == want } }

// recent accepts a time after the test began.
func recent(since time.Time) func(float64) bool {
	return func(v float64) bool { return v >= float64(since.Unix()) }
}

// TestRecovery tells the story of a database: backups, their verification, a
// restore that is proved by content, and what each does when something is broken.
func TestRecovery(t *testing.T) {
	l := newLab(t)
	began := time.Now()

	l.must("dr-backup", "full")
	l.want("dr_backup.prom", "dr_backup_last_run_success", is(1))
	l.want("dr_backup.prom", `dr_objective_seconds{objective="rpo"}`, is(60))
	for _, series := range []string{`{stanza="main",repo="1",type="full"}`, `{stanza="main",repo="2",type="full"}`, `{stanza="shop",repo="dump",type="dump"}`} {
		l.want("dr_backup.prom", "dr_backup_last_success_timestamp_seconds"+series, recent(began))
	}

	l.must("dr-verify", "--no-restore")
	l.want("backup_verify.prom", `dr_archive_missing_segments{repo="1",timeline="1"}`, is(0))
	l.want("backup_verify.prom", `dr_repo_verify_success{repo="1"}`, is(1))
	l.want("backup_verify.prom", `dr_repo_verify_success{repo="2"}`, is(1))
	l.want("backup_verify.prom", `dr_repo_verify_files{repo="1",state="valid"}`, func(v float64) bool { return v > 100 })
	l.want("backup_verify.prom", `dr_repo_verify_last_success_timestamp_seconds{repo="1"}`, recent(began))

	l.must("dr-restore-test", "2") // The first is restored below, with dumps that are encrypted.
	l.want("restore_test.prom", "dr_restore_test_success", is(1))
	l.want("restore_test.prom", `dr_restore_test_rows{table="orders"}`, is(5000))
	l.want("restore_test.prom", `dr_source_rows{table="orders"}`, is(5000))
	l.want("restore_test.prom", "dr_restore_test_duration_seconds", func(v float64) bool { return v >= 0 })
	l.want("restore_test.prom", "dr_restore_test_recovered_lag_seconds", func(v float64) bool { return v >= 0 })
	l.want("restore_test.prom", `dr_restore_test_dumps{state="restored"}`, is(1))
	l.nothingLeft()
	l.metricsAreThoseOfTheAlerts()

	t.Run("a broken backup says so and forgets nothing", l.brokenBackup)
	t.Run("a dump that is cut does not restore", l.cutDump)
	t.Run("dumps are encrypted and few", l.encryptedDumps)
	t.Run("one table comes back", l.oneTable)
	t.Run("damage is found", l.damage)
	t.Run("the disk is lost", l.lostDisk)
}

// nothingLeft wants no scratch cluster, and that none has archived: its new
// timeline would be in the repository.
func (l *lab) nothingLeft() {
	l.t.Helper()
	if left, _ := filepath.Glob(filepath.Join(l.dir, "state", "dr-*.??????")); left != nil {
		l.t.Errorf("left over: %v", left)
	}
	for _, repo := range []string{"repo1", "repo2"} {
		if found, _ := filepath.Glob(filepath.Join(l.dir, repo, "archive/main/15-1/0000000[2-9]*")); found != nil {
			l.t.Errorf("a restored cluster archived into production's repository: %v", found)
		}
	}
}

// metricsAreThoseOfTheAlerts wants every series of the alerts about backups.
func (l *lab) metricsAreThoseOfTheAlerts() {
	l.t.Helper()
	rules, err := os.ReadFile("../../rules/prometheus/backup.yaml")
	if err != nil {
		l.t.Fatal(err)
	}
	var written strings.Builder
	files, err := filepath.Glob(filepath.Join(l.dir, "textfile", "*.prom"))
	if err != nil || len(files) != 3 {
		l.t.Fatalf("files %v, %v, want three", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			l.t.Fatal(err)
		}
		written.Write(text)
		if filepath.Base(file) == "dr_backup.prom" && !regexp.MustCompile(`file=~"[^"]*dr_backup`).Match(rules) {
			l.t.Errorf("no alert watches %s", file)
		}
	}
	// A run that has ended has taken this one back.
	written.WriteString("\ndr_run_started_timestamp_seconds 0")
	for _, name := range regexp.MustCompile(`\bdr_[a-z_]+`).FindAllString(regexp.MustCompile(`file=~"[^"]*"`).ReplaceAllString(string(rules), ""), -1) {
		if !strings.Contains(written.String(), "\n"+name+"{") && !strings.Contains(written.String(), "\n"+name+" ") {
			l.t.Errorf("no script writes %s", name)
		}
	}
}

func (l *lab) brokenBackup(t *testing.T) {
	before, _ := l.sample("dr_backup.prom", `dr_backup_last_success_timestamp_seconds{stanza="main",repo="1",type="full"}`)
	config := filepath.Join(l.dir, "pgbackrest of tests.conf")
	if err := os.Rename(config, config+".away"); err != nil {
		t.Fatal(err)
	}
	out, err := l.run("dr-backup", "incr")
	if err := os.Rename(config+".away", config); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Errorf("a backup without a repository succeeds: %s", out)
	}
	l.want("dr_backup.prom", "dr_backup_last_run_success", is(0))
	l.want("dr_backup.prom", `dr_backup_last_success_timestamp_seconds{stanza="main",repo="1",type="full"}`, is(before))
}

func (l *lab) cutDump(t *testing.T) {
	dumps, _ := filepath.Glob(filepath.Join(l.dir, "dumps", "shop", "0*.dump"))
	if len(dumps) != 1 {
		t.Fatalf("dumps %v, want one", dumps)
	}
	whole, err := os.ReadFile(dumps[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(dumps[0], int64(len(whole)*6/10)); err != nil {
		t.Fatal(err)
	}
	out, err := l.run("dr-restore-test", "1")
	if err == nil || !strings.Contains(out, "the dump of shop cannot be restored") {
		t.Errorf("a cut dump: %v\n%s", err, out)
	}
	l.want("restore_test.prom", "dr_restore_test_success", is(0))
	l.want("restore_test.prom", `dr_restore_test_dumps{state="failed"}`, is(1))
	if _, there := l.sample("restore_test.prom", "dr_restore_test_last_success_timestamp_seconds"); !there {
		t.Errorf("a failed test forgot when the last one succeeded")
	}
	if err := os.WriteFile(dumps[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (l *lab) encryptedDumps(t *testing.T) {
	l.must("age-keygen", "-o", filepath.Join(l.dir, "identity"))
	recipient := l.must("age-keygen", "-y", filepath.Join(l.dir, "identity"))
	l.write("recipients", recipient)
	l.write("more.conf", fmt.Sprintf("AGE_RECIPIENTS=%[1]s/recipients\nAGE_IDENTITY=%[1]s/identity\n", l.dir))
	l.must("dr-backup", "incr")
	for _, name := range []string{"shop", "globals"} {
		files, _ := filepath.Glob(filepath.Join(l.dir, "dumps", name, "0*"))
		if len(files) != 1 {
			t.Errorf("%v, want the newest alone", files)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil || !strings.HasPrefix(string(text), "age-encryption.org/") {
				t.Errorf("%s is not encrypted: %v", file, err)
			}
		}
	}
	if out := l.must("dr-restore-test", "1"); !strings.Contains(out, "the dump of shop is good") {
		t.Errorf("the encrypted dump was not restored:\n%s", out)
	}
	l.want("dr_backup.prom", `dr_backup_last_success_timestamp_seconds{stanza="main",repo="1",type="incr"}`, func(v float64) bool { return v > 0 })
}

// damage flips four bytes of a bundle of the first repository.
func (l *lab) damage(t *testing.T) {
	bundles, _ := filepath.Glob(filepath.Join(l.dir, "repo1/backup/main/*F/bundle/*"))
	if len(bundles) == 0 {
		t.Fatal("no bundle")
	}
	f, err := os.OpenFile(bundles[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xde, 0xad, 0xbe, 0xef}, 2000); err != nil {
		t.Fatal(err)
	}
	out, err := l.run("dr-verify", "--no-restore")
	if err == nil {
		t.Errorf("damage is not found:\n%s", out)
	}
	l.want("backup_verify.prom", `dr_repo_verify_success{repo="1"}`, is(0))
	l.want("backup_verify.prom", `dr_repo_verify_success{repo="2"}`, is(1))
	l.want("backup_verify.prom", `dr_repo_verify_last_success_timestamp_seconds{repo="1"}`, func(v float64) bool { return v > 0 })
}
