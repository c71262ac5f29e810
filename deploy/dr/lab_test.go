package dr

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLab loses a database of 300 MB to a crash, with its directory, and measures
// what the objectives promise: the time until it answers again, and what is lost.
func TestLab(t *testing.T) {
	if !long() {
		t.Skip("make dr-lab tries this")
	}
	l := newLab(t)
	l.server.SQL(t, "shop", "CREATE TABLE ballast AS SELECT n, repeat(md5(n::text), 30) AS what FROM generate_series(1, 300000) n")
	size, err := strconv.ParseInt(l.server.SQL(t, "shop", "SELECT pg_database_size('shop')")[0][0], 10, 64)
	if err != nil || size < 300<<20 {
		t.Fatalf("%d bytes, %v, want 300 MB", size, err)
	}
	began := time.Now()
	l.must("dr-backup", "full")
	backup := time.Since(began)
	// A row every moment, so that the last one back says what was lost.
	l.server.SQL(t, "shop", "CREATE TABLE ticks (at timestamptz DEFAULT clock_timestamp())")
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		l.server.SQL(t, "shop", "INSERT INTO ticks DEFAULT VALUES")
	}
	last := l.server.SQL(t, "shop", "SELECT max(at) FROM ticks")[0][0]
	l.server.Kill()
	crashed := time.Now()
	data := filepath.Join(l.server.Dir, "data")
	l.must("mv", data, data+".gone")
	l.must("dr-restore", "--data", data)
	l.restored(t, "SELECT count(*) FROM ballast", "300000")
	recovery := time.Since(crashed)
	lost := strings.TrimSpace(l.must("psql", "-h", l.server.Dir, "-p", strconv.Itoa(l.server.Port), "-U", "postgres", "-d", "shop", "-Atc",
		"SELECT extract(epoch FROM '"+last+"'::timestamptz - max(at)) FROM ticks"))
	t.Logf("a database of %d MB: full backups into both repositories and a dump in %v; after the loss of its directory it answered in %v, without its last %s s (archive_timeout 2 s)",
		size>>20, backup.Round(100*time.Millisecond), recovery.Round(100*time.Millisecond), lost)
	if seconds, err := strconv.ParseFloat(lost, 64); err != nil || seconds > 60 || recovery > 240*time.Second {
		t.Errorf("lost %s s, %v, and took %v: more than the objectives of the lab", lost, err, recovery)
	}
}
