package dr

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// redisHost is a host with a Redis and the configuration of the script.
func redisHost(t *testing.T, server *realtest.RedisServer, more string) stub {
	t.Helper()
	realtest.Need(t, "redis-cli", "redis-check-rdb", "redis-check-aof", "flock")
	s := newStub(t, nil)
	s.write("dr.conf", fmt.Sprintf("TEXTFILE_DIR=%[1]s/textfile STATE_DIR=%[1]s/state REDIS_DUMP_DIR=%[1]s/dumps DUMP_KEEP=2 REDIS='-p %[2]d'\n%[3]s\n", s.dir, server.Port, more))
	return s
}

func (s stub) must(script string, args ...string) string {
	s.t.Helper()
	out, _, ok := s.run("", script, args...)
	if !ok {
		s.t.Fatalf("%s %v:\n%s", script, args, out)
	}
	return out
}

// TestRedis tells the story of a broker: a dump that was loaded, one that is cut,
// and the return of the keys into a server with append-only files.
func TestRedis(t *testing.T) {
	t.Parallel()
	server := realtest.Redis(t)
	s := redisHost(t, server, "")
	for i := range 200 {
		server.Do(t, "SET", "key:"+strconv.Itoa(i), strings.Repeat("v", 100))
	}
	server.Do(t, "RPUSH", "celery", "task")
	s.must("dr-redis", "backup")
	if text := s.published("redis_dr.prom"); !strings.Contains(text, "\nredis_dr_backup_success 1\n") || !strings.Contains(text, "\nredis_dr_backup_keys 201\n") {
		t.Errorf("metrics:\n%s", text)
	}
	for range 2 {
		s.must("dr-redis", "backup")
	}
	dumps, _ := filepath.Glob(filepath.Join(s.dir, "dumps/redis/0*.rdb"))
	if len(dumps) != 2 {
		t.Fatalf("dumps %v, want the newest two", dumps)
	}
	if out := s.must("dr-redis", "verify"); !strings.Contains(out, "loaded 201 keys") {
		t.Error(out)
	}
	whole := s.read("dumps/redis/" + filepath.Base(dumps[1]))
	s.write("cut.rdb", whole[:len(whole)*6/10])
	if out, _, ok := s.run("", "dr-redis", "verify", s.dir+"/cut.rdb"); ok || !strings.Contains(out, "the dump is damaged") {
		t.Errorf("a cut dump: ok %t: %s", ok, out)
	}

	// The directory of a server that works is not touched.
	if out, _, ok := s.run("", "dr-redis", "restore", "--dir", server.Dir, dumps[1]); ok || !strings.Contains(out, "a server works in") {
		t.Errorf("a server that works: ok %t: %s", ok, out)
	}
	s.write("data/dump.rdb", "what was there")
	s.write("data/appendonlydir/appendonly.aof.manifest", "what was there")
	if out := s.must("dr-redis", "restore", "--dir", s.dir+"/data", "--dry-run", dumps[1]); !strings.Contains(out, "plan: keep") || s.read("data/dump.rdb") != "what was there" {
		t.Error(out)
	}
	if out, _, ok := s.run("", "dr-redis", "restore", "--dir", s.dir+"/data", s.dir+"/cut.rdb"); ok || s.read("data/dump.rdb") != "what was there" {
		t.Errorf("a cut dump: ok %t: %s", ok, out)
	}
	s.must("dr-redis", "restore", "--dir", s.dir+"/data", dumps[1])
	if s.read("data/before-001/dump.rdb") != "what was there" || s.read("data/before-001/appendonlydir/appendonly.aof.manifest") != "what was there" {
		t.Error("what was there is not kept")
	}
	restored := realtest.Redis(t, "--dir", s.dir+"/data", "--appendonly", "yes")
	if got := restored.Do(t, "DBSIZE"); got != "201" {
		t.Errorf("%s keys after the restore, want 201", got)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "state", "dr-*.??????")); left != nil {
		t.Errorf("left over: %v", left)
	}

	server.Kill()
	if out, _, ok := s.run("", "dr-redis", "backup"); ok {
		t.Errorf("a dump of a dead server: %s", out)
	}
	if text := s.published("redis_dr.prom"); !strings.Contains(text, "\nredis_dr_backup_success 0\n") || !strings.Contains(text, "\nredis_dr_backup_last_success_timestamp_seconds ") {
		t.Errorf("metrics of a failure:\n%s", text)
	}
}

// TestRedisFailover looks first, and then has Sentinel promote a replica.
func TestRedisFailover(t *testing.T) {
	t.Parallel()
	master := realtest.Redis(t)
	replica := realtest.RedisReplica(t, master)
	sentinels := realtest.RedisSentinels(t, 3, master, 1)
	s := redisHost(t, master, fmt.Sprintf("REDIS_SENTINEL='-p %d'", sentinels[0].Port))
	name := "mymaster"
	if out := s.must("dr-redis", "failover", name); !strings.Contains(out, "nothing was changed: --yes does it") {
		t.Error(out)
	}
	if out := s.must("dr-redis", "failover", name, "--yes"); !strings.Contains(out, fmt.Sprintf("%s is at 127.0.0.1 %d now", name, replica.Port)) {
		t.Error(out)
	}
	if out, _, ok := s.run("", "dr-redis", "failover", "another"); ok || !strings.Contains(out, "no quorum for another: nothing was changed") {
		t.Errorf("ok %t: %s", ok, out)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "textfile/redis_dr.prom")); err == nil {
		t.Error("a failover writes metrics of backups")
	}
}
