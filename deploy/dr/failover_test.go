package dr

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestFailover moves the primary to a standby and the old one back behind it, and
// wants each step refused where it would make two primaries or lose a cluster.
func TestFailover(t *testing.T) {
	l := newLab(t)
	programs := realtest.Need(t, "pg_basebackup", "pg_rewind")
	port := realtest.FreePort(t)
	connection := func(port int) string {
		return fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres", l.server.Dir, port)
	}
	old, next, oldData, data := connection(l.server.Port), connection(port), filepath.Join(l.server.Dir, "data"), filepath.Join(l.dir, "standby")
	// Other sockets than loopback's need no password here.
	l.must(programs["pg_basebackup"], "-D", data, "-d", old, "-R", "-c", "fast")
	answers := func(p *realtest.Process, connection, sql, want string) {
		t.Helper()
		p.WaitFor(t, func() error {
			out, err := l.run("psql", "-d", connection, "-Atc", sql)
			if out = strings.TrimSpace(out); err == nil && out != want {
				err = errors.New(out)
			}
			return err
		})
	}
	standby := l.start(t, data, port)
	answers(standby, next, "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", "1")
	if out := l.must("dr-failover", "status", old, next); !strings.Contains(out, "primary, timeline 1") || !strings.Contains(out, "1 streaming standbys") || !strings.Contains(out, "standby, replayed") {
		t.Errorf("status:\n%s", out)
	}

	refused := func(want string, args ...string) {
		t.Helper()
		if out, err := l.run("dr-failover", args...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v, want …%s…\n%s", args, err, want, out)
		}
	}
	promote := []string{"promote", "--standby", next, "--primary", old}
	refused("still answers", append(promote, "--fenced", "--yes")...)
	refused("a server works in", "rejoin", "--data", oldData, "--source", next, "--yes")
	l.server.Stop()
	refused("--fenced is your word", append(promote, "--yes")...)
	refused("is no primary that answers", "rejoin", "--data", oldData, "--source", next, "--yes")
	if out := l.must("dr-failover", append(promote, "--fenced")...); !strings.Contains(out, "nothing was changed: --yes does it") {
		t.Errorf("a look:\n%s", out)
	}
	answers(standby, next, "SELECT pg_is_in_recovery()", "t")
	if out := l.must("dr-failover", append(promote, "--fenced", "--yes")...); !strings.Contains(out, "is the primary, on timeline 2") {
		t.Errorf("promoted:\n%s", out)
	}
	l.must("psql", "-d", strings.Replace(next, "dbname=postgres", "dbname=shop", 1), "-c", "CREATE TABLE after AS SELECT 1")

	rejoin := []string{"rejoin", "--data", oldData + "/", "--source", next}
	if out := l.must("dr-failover", rejoin...); !strings.Contains(out, "nothing was changed") {
		t.Errorf("a look:\n%s", out)
	}
	l.must("dr-failover", append(rejoin, "--yes")...)
	back := l.start(t, oldData, l.server.Port)
	answers(back, old, "SELECT pg_is_in_recovery()", "t")
	answers(back, strings.Replace(old, "dbname=postgres", "dbname=shop", 1), "SELECT to_regclass('after') IS NOT NULL", "t")

	// nginx follows the one that is the primary, and is left alone otherwise.
	upstream := filepath.Join(l.dir, "upstream.conf")
	l.env = append(l.env, "RELOAD=touch "+l.dir+"/reloaded", "FOLLOW_CONNECTION=user=postgres dbname=postgres host="+l.server.Dir)
	follow := []string{"follow", "--upstream", upstream, fmt.Sprintf("db1:%d", l.server.Port), fmt.Sprintf("db2:%d", port)}
	l.must("dr-failover", follow...)
	if text, err := os.ReadFile(upstream); err != nil || !strings.Contains(string(text), fmt.Sprintf("upstream postgres { server db2:%d; }", port)) {
		t.Errorf("upstream %q, %v", text, err)
	}
	if err := os.Remove(filepath.Join(l.dir, "reloaded")); err != nil {
		t.Error(err)
	}
	l.must("dr-failover", follow...)
	if _, err := os.Stat(filepath.Join(l.dir, "reloaded")); err == nil {
		t.Error("nginx is reloaded although nothing has moved")
	}
	standby.Stop()
	refused("0 of these are primaries", follow...)
	if !long() {
		return
	}
	standby = l.start(t, data, port)
	answers(standby, next, "SELECT pg_is_in_recovery()", "f")
	l.must("pgbackrest", "--stanza=main", "--pg1-path="+data, fmt.Sprintf("--pg1-port=%d", port), "--repo=1", "backup")
	back.Stop()
	l.must("dr-failover", "rebuild", "--data", oldData, "--source", next, "--yes")
	back = l.start(t, oldData, l.server.Port)
	answers(back, old, "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", "1")
}
