package dr

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// archived waits until what was written so far is in the archive.
func (l *lab) archived() {
	l.t.Helper()
	segment := l.server.SQL(l.t, "shop", "SELECT pg_walfile_name(pg_switch_wal())")[0][0]
	l.server.WaitFor(l.t, func() error {
		if l.server.SQL(l.t, "shop", "SELECT COALESCE(last_archived_wal >= '"+segment+"', false) FROM pg_stat_archiver")[0][0] != "t" {
			return errors.New(segment + " is not archived yet")
		}
		return nil
	})
}

// oneTable deletes rows, changes one and adds one: the deleted ones come back from
// a time, and from a dump, and the others are not touched.
func (l *lab) oneTable(t *testing.T) {
	at := l.server.SQL(t, "shop", "SELECT clock_timestamp()")[0][0]
	l.server.SQL(t, "shop", "DELETE FROM orders WHERE id > 4000; UPDATE orders SET what = 'changed' WHERE id = 1; INSERT INTO orders VALUES (9000, 'new')")
	l.archived()
	if long() {
		if out := l.must("dr-restore", "table", "orders", "--to-time", at); !strings.Contains(out, "dr_restored.orders of shop: look at them") {
			t.Errorf("what is staged:\n%s", out)
		}
	}
	want := func(rows string) {
		t.Helper()
		got := l.server.SQL(t, "shop", "SELECT count(*), count(*) FILTER (WHERE id = 1 AND what = 'changed'), count(*) FILTER (WHERE id = 9000) FROM orders")
		if strings.Join(got[0], " ") != rows {
			t.Errorf("rows, changed, new: %v, want %s", got[0], rows)
		}
	}
	want("4001 1 1")
	out := l.must("dr-restore", "table", "orders", "--to-time", at, "--merge")
	if !strings.Contains(out, "had 5000 rows then and has 4001 now; 1000 of those from then are missing") || !strings.Contains(out, "1000 rows are back") {
		t.Errorf("what came back:\n%s", out)
	}
	want("5001 1 1")
	l.server.SQL(t, "shop", "DELETE FROM orders WHERE id BETWEEN 4001 AND 5000")
	dumps, _ := filepath.Glob(filepath.Join(l.dir, "dumps", "shop", "0*"))
	if len(dumps) != 1 {
		t.Fatalf("dumps %v", dumps)
	}
	l.must("dr-restore", "table", "orders", "--from-dump", dumps[0], "--merge")
	want("5001 1 1")
	l.server.SQL(t, "shop", "DELETE FROM orders WHERE id = 9000")
	l.oddTables(t)
	l.nothingLeft()
}

// oddTables empties a table whose rows have no key and a type without equality, and
// one whose rows are in partitions and numbered by a sequence.
func (l *lab) oddTables(t *testing.T) {
	l.server.SQL(t, "shop", `CREATE TABLE notes (what json); INSERT INTO notes VALUES ('{"a": 1}'), ('{"a": 1}'), (NULL);
		CREATE TABLE parted (id serial, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
		CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
		CREATE TABLE parted_2 PARTITION OF parted DEFAULT;
		INSERT INTO parted (day) SELECT date '2026-01-20' + n FROM generate_series(1, 20) n`)
	dump := filepath.Join(l.dir, "dumps", "odd.dump")
	l.must("pg_dump", "--host", l.server.Dir, "--port", strconv.Itoa(l.server.Port), "--username", "postgres", "--format=custom", "--file", dump, "shop")
	l.server.SQL(t, "shop", "DELETE FROM notes WHERE what IS NULL OR ctid = '(0,1)'; TRUNCATE parted RESTART IDENTITY")
	for table, missing := range map[string]string{"notes": "2", "parted": "20"} {
		if out := l.must("dr-restore", "table", table, "--from-dump", dump, "--merge"); !strings.Contains(out, "; "+missing+" of those from then are missing") {
			t.Errorf("%s:\n%s", table, out)
		}
	}
	l.server.SQL(t, "shop", "INSERT INTO parted (day) VALUES ('2026-01-01')")
	got := l.server.SQL(t, "shop", "SELECT count(*), (SELECT count(*) FROM notes), max(id) FROM parted")[0]
	if strings.Join(got, " ") != "21 3 21" {
		t.Errorf("parted, notes, next id: %v", got)
	}
	l.server.SQL(t, "shop", "DROP TABLE notes, parted")
	l.must("rm", dump)
}

// lostDisk restores production itself from the repository that is whole.
func (l *lab) lostDisk(t *testing.T) {
	data := filepath.Join(l.server.Dir, "data")
	restore := []string{"--data", data, "--repo", "2"}
	if out, err := l.run("dr-restore", restore...); err == nil || !strings.Contains(out, "runs: stop it first") {
		t.Fatalf("a cluster that runs is replaced: %v\n%s", err, out)
	}
	before := l.server.SQL(t, "shop", "SELECT clock_timestamp()")[0][0]
	l.server.SQL(t, "shop", "CREATE TABLE last_words AS SELECT 'kept' AS what")
	l.archived()
	l.server.Stop()
	if out := l.must("dr-restore", append(restore, "--dry-run")...); !strings.Contains(out, "plan: then keep") {
		t.Errorf("plan:\n%s", out)
	}
	l.must("dr-restore", restore...)
	if kept, _ := filepath.Glob(data + ".before-*/PG_VERSION"); len(kept) != 1 {
		t.Errorf("the old cluster is not kept: %v", kept)
	}
	process := l.restored(t, "SELECT count(*) FROM orders, last_words", "5000")
	process.Stop()
	// That was too late: the second recovery follows the timeline of its time, not the
	// one that the first has made.
	l.must("dr-restore", append(restore, "--target-time", before)...)
	process = l.restored(t, "SELECT count(*), to_regclass('last_words') IS NULL FROM orders", "5000|t")
	process.Stop()
	// The way back, as the script says it: the oldest of the kept clusters.
	kept, _ := filepath.Glob(data + ".before-*")
	if len(kept) != 2 {
		t.Fatalf("kept %v, want the clusters of before both", kept)
	}
	l.must("mv", data, data+".bad")
	l.must("mv", kept[0], data)
	l.restored(t, "SELECT count(*) FROM orders, last_words", "5000")
	if long() {
		l.must("dr-backup", "full")
		l.must("dr-restore-test", "2")
	}
}

// long tells whether what takes minutes is tried too: make dr-lab.
func long() bool { return os.Getenv("DR_LAB") != "" }

// restored starts production's own directory and wants an answer.
func (l *lab) restored(t *testing.T, sql, want string) *realtest.Process {
	t.Helper()
	process := l.start(t, filepath.Join(l.server.Dir, "data"), l.server.Port)
	process.WaitFor(t, func() error {
		text, err := l.run("psql", "-h", l.server.Dir, "-p", strconv.Itoa(l.server.Port), "-U", "postgres", "-d", "shop", "-Atc", "SELECT pg_is_in_recovery()")
		if err == nil && strings.TrimSpace(text) != "f" {
			err = errors.New("it recovers: " + text)
		}
		return err
	})
	if out := strings.TrimSpace(l.must("psql", "-h", l.server.Dir, "-p", strconv.Itoa(l.server.Port), "-U", "postgres", "-d", "shop", "-Atc", sql)); out != want {
		t.Errorf("%s: %s, want %s", sql, out, want)
	}
	return process
}

// start starts a server on a directory, with a socket beside production's.
func (l *lab) start(t *testing.T, data string, port int) *realtest.Process {
	t.Helper()
	cmd := exec.Command(realtest.Need(t, "postgres")["postgres"], "-D", data, "-p", strconv.Itoa(port), "-k", l.server.Dir, "-h", "", "-c", "archive_mode=on", "-c", "wal_log_hints=on",
		"-c", fmt.Sprintf(`archive_command=PGBACKREST_CONFIG="%s/pgbackrest of tests.conf" pgbackrest --stanza=main --pg1-path=%s archive-push %%p`, l.dir, data))
	cmd.Env, cmd.Dir, cmd.SysProcAttr = l.env, l.dir, &syscall.SysProcAttr{Credential: l.user}
	return realtest.Start(t, cmd)
}
