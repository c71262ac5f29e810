package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/collectors"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// serviceFor returns the service of args, closed with the test, and its log.
func serviceFor(t *testing.T, args ...string) (*service, *realtest.Log) {
	t.Helper()
	l := &realtest.Log{}
	s, err := newService(parse(t, args...), os.Getenv, slog.New(slog.NewTextHandler(l, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s, l
}

// scrape returns what the service collects within a time, as text.
func scrape(t *testing.T, s *service, timeout time.Duration) string {
	t.Helper()
	all, err := s.collectors(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	reg := prometheus.NewPedanticRegistry()
	for _, c := range all {
		reg.MustRegister(collectors.WithContext(ctx, c))
	}
	families, err := reg.Gather()
	if err != nil {
		t.Error(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// missing returns those of lines that text does not have.
func missing(text string, lines ...string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return strings.Contains("\n"+text, "\n"+line+"\n") || strings.HasSuffix(line, "{") && strings.Contains(text, line)
	})
}

// eventually scrapes until all lines are there.
func eventually(t *testing.T, s *service, lines ...string) string {
	t.Helper()
	for limit := time.Now().Add(realtest.Patience); ; time.Sleep(50 * time.Millisecond) {
		text := scrape(t, s, 2*time.Second)
		lost := missing(text, lines...)
		if len(lost) == 0 {
			return text
		}
		if time.Now().After(limit) {
			t.Fatalf("missing %q in\n%s", lost, text)
		}
	}
}

func TestReplica(t *testing.T) {
	t.Parallel()
	master := realtest.Redis(t)
	replica := realtest.RedisReplica(t, master)
	s, _ := serviceFor(t, "--redis.addr="+replica.Addr())
	labels := fmt.Sprintf(`{master_host="127.0.0.1",master_port="%d"}`, master.Port)
	eventually(t, s, "redis_up 1", "redis_master_link_up"+labels+" 1", "redis_master_sync_in_progress"+labels+" 0",
		"redis_slave_priority 100", fmt.Sprintf(`redis_slave_info{master_host="127.0.0.1",master_port="%d",read_only="1"} 1`, master.Port))
	m, _ := serviceFor(t, "--redis.addr="+master.Addr())
	eventually(t, m, "redis_connected_slaves 1",
		fmt.Sprintf(`redis_connected_slave_lag_seconds{slave_ip="127.0.0.1",slave_port="%d",slave_state="online"} 0`, replica.Port))

	// The work on keys can be left to the replica.
	for _, one := range []*realtest.RedisServer{master, replica} {
		s, _ := serviceFor(t, "--redis.addr="+one.Addr(), "--check-queues=celery", "--count-keys=*", "--skip-checkkeys-for-role-master")
		s.main.RefreshIfDue(t.Context())
		text := scrape(t, s, 5*time.Second)
		looked := strings.Contains(text, "redis_queue_length{") && strings.Contains(text, "redis_keys_count{")
		if looked != (one == replica) {
			t.Errorf("keys are looked at: %v, on the replica: %v", looked, one == replica)
		}
	}
}

func TestSentinels(t *testing.T) {
	t.Parallel()
	master := realtest.Redis(t)
	replica := realtest.RedisReplica(t, master)
	sentinels := realtest.RedisSentinels(t, 3, master, 1)
	var addrs []string
	for _, one := range sentinels {
		addrs = append(addrs, one.Addr())
	}

	own, _ := serviceFor(t, "--redis.addr="+addrs[0])
	name := fmt.Sprintf(`{master_address="%s",master_name="mymaster"`, master.Addr())
	eventually(t, own, "redis_up 1", "redis_sentinel_masters 1", "redis_sentinel_tilt 0",
		"redis_sentinel_master_slaves"+name+"} 1", "redis_sentinel_master_sentinels"+name+"} 3",
		"redis_sentinel_master_ok_slaves"+name+"} 1", "redis_sentinel_master_ok_sentinels"+name+"} 3",
		"redis_sentinel_master_status"+name+`,master_status="ok"} 1`,
		`redis_sentinel_master_ckquorum_status{master_name="mymaster",message="OK"} 1`,
		"redis_sentinel_master_setting_ckquorum"+name+"} 2", `redis_exporter_part_success{part="sentinel"} 1`)

	s, _ := serviceFor(t, "--redis.addr=sentinel://"+strings.Join(addrs, ",")+"/mymaster")
	text := eventually(t, s, "redis_up 1")
	if !strings.Contains(text, fmt.Sprintf(`tcp_port="%d"`, master.Port)) {
		t.Error("another server than the master is scraped")
	}
	// Asked before, as a replica that is promoted closes its connections.
	promoted := fmt.Sprintf(`role="master",run_id="%s"`, runID(t, replica))
	master.Kill()
	realtest.Eventually(t, "the replica is the master", func() bool {
		return strings.Contains(scrape(t, s, time.Second), promoted)
	})
	eventually(t, own, "redis_sentinel_master_status{")
}

func runID(t *testing.T, s *realtest.RedisServer) string {
	t.Helper()
	for line := range strings.Lines(s.Do(t, "INFO", "server")) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); ok {
			return id
		}
	}
	t.Fatal("no run_id")
	return ""
}

func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := realtest.RedisCluster(t, 3)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{nodes[0].Addr()}})
	defer client.Close()
	for i := range 30 {
		if err := client.Set(t.Context(), fmt.Sprintf("key:%d", i), "value", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.RPush(t.Context(), "celery", "a", "b").Err(); err != nil {
		t.Fatal(err)
	}
	s, _ := serviceFor(t, "--redis.addr="+nodes[0].Addr(), "--is-cluster", "--count-keys=key:*", "--check-queues=celery,none",
		"--check-single-keys=key:1,key:2,key:3,key:4", "--check-keys=key:1*")
	s.main.RefreshIfDue(t.Context())
	text := eventually(t, s, "redis_up 1", "redis_cluster_enabled 1", "redis_cluster_state 1", "redis_cluster_slots_ok 16384",
		"redis_cluster_known_nodes 3", "redis_cluster_size 3", `redis_keys_count{db="db0",key="key:*"} 30`,
		`redis_queue_length{db="db0",queue="celery"} 2`, `redis_queue_length{db="db0",queue="none"} 0`)
	for series, want := range map[string]int{"redis_cluster_node_info{": 3, "redis_cluster_node_slots{": 3, "redis_key_size{": 14} {
		if got := strings.Count(text, series); got != want {
			t.Errorf("%d of %s, want %d", got, series, want)
		}
	}
	for _, n := range nodes {
		if found := discovered(t, s); len(found) != 3 || !slices.Contains(found, "redis://"+n.Addr()) {
			t.Errorf("%s is not in %v, or not the third", n.Addr(), found)
		}
	}
	nodes[0].Do(t, "CONFIG", "SET", "cluster-announce-hostname", "node-0.example")
	if found := discovered(t, s); !slices.Contains(found, "redis://"+nodes[0].Addr()) {
		t.Errorf("%v has host names that were not asked for", found)
	}
	s.flags.hostnames = true
	_, port, _ := strings.Cut(nodes[0].Addr(), ":")
	found := discovered(t, s)
	if !slices.Contains(found, "redis://node-0.example:"+port) || !slices.Contains(found, "redis://"+nodes[1].Addr()) {
		t.Errorf("%v has not the name of the one node that announces one", found)
	}
}

// discovered returns the targets of /discover-cluster-nodes.
func discovered(t *testing.T, s *service) []string {
	t.Helper()
	w := httptest.NewRecorder()
	s.discover(w, httptest.NewRequest("GET", "/discover-cluster-nodes", nil))
	var groups []targetGroup
	if err := json.Unmarshal(w.Body.Bytes(), &groups); err != nil || len(groups) != 1 {
		t.Fatalf("nodes: %v in %s", err, w.Body)
	}
	return groups[0].Targets
}

func TestUserWithPasswordFile(t *testing.T) {
	t.Parallel()
	server := realtest.Redis(t, "--user", "exporter", "on", ">s3cret", "~*", "+@all", "-@dangerous", "+info", "--requirepass", "other")
	file := filepath.Join(t.TempDir(), "passwords.json")
	text := fmt.Sprintf(`{"redis://exporter@%s": "s3cret", "redis://elsewhere:6379": "x"}`, server.Addr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, logged := serviceFor(t, "--redis.addr=redis://exporter@"+server.Addr(), "--redis.password-file="+file)
	eventually(t, s, "redis_up 1", `redis_exporter_part_success{part="config"} 0`)
	if strings.Contains(logged.String(), "s3cret") {
		t.Error("the log tells the password")
	}
}

// TestNameless holds that a connection which may not have a name is as good as one that has.
func TestNameless(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"not allowed": {"--user", "default", "on", "nopass", "~*", "+@all", "-client|setname"},
		"renamed":     {"--rename-command", "CLIENT", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := realtest.Redis(t, options...)
			s, logged := serviceFor(t, "--redis.addr="+server.Addr())
			eventually(t, s, "redis_up 1")
			if strings.Contains(logged.String(), "server is down") {
				t.Errorf("log: %s", logged)
			}
		})
	}
}

// TestTurnedAway holds that what a server says before it closes a connection is why it is
// down.
func TestTurnedAway(t *testing.T) {
	t.Parallel()
	for reason, says := range map[string]string{
		"auth":  "DENIED Redis is running in protected mode because there is no password",
		"limit": "ERR max number of clients reached",
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return // The test is over.
					}
					_, _ = fmt.Fprintf(conn, "-%s%s\r\n", says, strings.Repeat(" and so on", 100))
					_ = conn.Close()
				}
			}()
			s, logged := serviceFor(t, "--redis.addr="+l.Addr().String())
			eventually(t, s, "redis_up 0", `redis_exporter_last_scrape_error{err="`+reason+`"} 1`)
			if !strings.Contains(logged.String(), says) {
				t.Errorf("log: %s", logged)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, other := newAuthority(t, dir, "ca"), newAuthority(t, dir, "other")
	cert, key := ca.issue(t, "server")
	clientCert, clientKey := ca.issue(t, "client")
	server := realtest.Redis(t, "--port", "0", "--tls-port", fmt.Sprint(realtest.FreePort(t)),
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca.file)
	words := strings.Fields(server.Do(t, "CONFIG", "GET", "tls-port"))
	addr := "127.0.0.1:" + words[len(words)-1]
	identity := []string{"--tls-client-cert-file=" + clientCert, "--tls-client-key-file=" + clientKey}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"mutual", append([]string{"--redis.addr=rediss://" + addr, "--tls-ca-cert-file=" + ca.file}, identity...), "redis_up 1"},
		{"not verified", append([]string{"--redis.addr=rediss://" + addr, "--tls-insecure-skip-verify"}, identity...), "redis_up 1"},
		{"other name", append([]string{"--redis.addr=rediss://" + addr, "--tls-ca-cert-file=" + ca.file, "--tls-server-name=redis.example"}, identity...), `redis_exporter_last_scrape_error{err="tls"} 1`},
		{"other authority", append([]string{"--redis.addr=rediss://" + addr, "--tls-ca-cert-file=" + other.file}, identity...), `redis_exporter_last_scrape_error{err="tls"} 1`},
		{"system authorities", append([]string{"--redis.addr=rediss://" + addr}, identity...), `redis_exporter_last_scrape_error{err="tls"} 1`},
		{"no client certificate", []string{"--redis.addr=rediss://" + addr, "--tls-ca-cert-file=" + ca.file}, "redis_up 0"}, // By an alert, or already closed.
		{"plain to a TLS port", []string{"--redis.addr=redis://" + addr}, "redis_up 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, logged := serviceFor(t, c.args...)
			if text := scrape(t, s, 5*time.Second); len(missing(text, c.want)) > 0 {
				t.Errorf("no %s in\n%s\n%s", c.want, text, logged)
			}
		})
	}
}

// TestStaleTLS holds that a connection the server closed while it was idle does
// not cost a scrape.
func TestStaleTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	cert, key := ca.issue(t, "server")
	server := realtest.Redis(t, "--port", "0", "--tls-port", fmt.Sprint(realtest.FreePort(t)), "--tls-auth-clients", "no",
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca.file)
	words := strings.Fields(server.Do(t, "CONFIG", "GET", "tls-port"))
	s, _ := serviceFor(t, "--redis.addr=rediss://127.0.0.1:"+words[len(words)-1], "--tls-ca-cert-file="+ca.file)
	for range 3 {
		if text := scrape(t, s, 5*time.Second); len(missing(text, "redis_up 1")) > 0 {
			t.Fatal(text)
		}
		server.Do(t, "CLIENT", "KILL", "TYPE", "normal")
	}
}
