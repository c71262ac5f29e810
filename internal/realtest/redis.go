package realtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisServer is a private Redis server on a loopback port and a socket.
type RedisServer struct {
	*Process
	// Port is of 127.0.0.1.
	Port int
	// Dir is the working directory; it is removed after the test.
	Dir string

	cli, password string
}

// Redis starts redis-server with further options such as "--requirepass", "x".
// Nothing is saved to disk unless an option says so.
func Redis(t testing.TB, options ...string) *RedisServer {
	t.Helper()
	s := newRedis(t)
	for i, o := range options[:max(len(options)-1, 0)] {
		if o == "--requirepass" {
			s.password = options[i+1]
		}
	}
	s.start(t, options...)
	return s
}

// newRedis prepares a server that is not started.
func newRedis(t testing.TB) *RedisServer {
	t.Helper()
	paths := Need(t, "redis-server", "redis-cli")
	dir, err := os.MkdirTemp("", "redis") // A short path, as sockets need it.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &RedisServer{Port: FreePort(t), Dir: dir, cli: paths["redis-cli"]}
}

// start starts the server and waits until it answers.
func (s *RedisServer) start(t testing.TB, options ...string) {
	t.Helper()
	args := append([]string{
		"--port", strconv.Itoa(s.Port), "--bind", "127.0.0.1", "--dir", s.Dir, "--unixsocket", s.Socket(),
		"--save", "", "--daemonize", "no", "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0",
	}, options...)
	s.Process = Start(t, exec.Command(Need(t, "redis-server")["redis-server"], args...))
	s.WaitFor(t, func() error { return ping("unix", s.Socket()) })
}

// Addr returns host:port.
func (s *RedisServer) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Socket returns the path of the server's socket.
func (s *RedisServer) Socket() string { return filepath.Join(s.Dir, "redis.sock") }

// Do runs a command over the socket, as the default user, and returns its reply
// as redis-cli prints it. The test fails if the reply is an error.
func (s *RedisServer) Do(t testing.TB, words ...string) string {
	t.Helper()
	out, err := s.do(words...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// do is Do for those who may ask again: a server that changes its role closes
// the connections of its clients.
func (s *RedisServer) do(words ...string) (string, error) {
	cmd := exec.Command(s.cli, append([]string{"-s", s.Socket(), "-e"}, words...)...)
	if s.password != "" {
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+s.password)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("redis-cli %s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// ping returns nil if a server answers PING, even with an error.
func ping(network, address string) error {
	c, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 64))
	return err
}

// RedisReplica starts a replica of master and waits until it is in sync.
func RedisReplica(t testing.TB, master *RedisServer, options ...string) *RedisServer {
	t.Helper()
	s := Redis(t, append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(master.Port)}, options...)...)
	s.WaitFor(t, func() error { return s.wantInfo("replication", "master_link_status:up") })
	return s
}

// wantInfo returns an error unless a section of INFO has a line.
func (s *RedisServer) wantInfo(section, line string) error {
	text, err := s.do("INFO", section)
	if err == nil && !strings.Contains(text, line) {
		err = fmt.Errorf("no %s in %s", line, text)
	}
	return err
}

// RedisSentinels starts n sentinels that watch master under the name "mymaster"
// with a quorum of two, and waits until they know each other and replicas.
func RedisSentinels(t testing.TB, n int, master *RedisServer, replicas int) []*RedisServer {
	t.Helper()
	sentinels := make([]*RedisServer, n)
	for i := range sentinels {
		s := newRedis(t)
		file := filepath.Join(s.Dir, "sentinel.conf")
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nunixsocket %s\nsentinel monitor mymaster 127.0.0.1 %d 2\n"+
			"sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 2000\n", s.Port, s.Dir, s.Socket(), master.Port)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Process = Start(t, exec.Command(Need(t, "redis-server")["redis-server"], file, "--sentinel"))
		s.WaitFor(t, func() error { return ping("unix", s.Socket()) })
		sentinels[i] = s
	}
	for _, s := range sentinels {
		s.WaitFor(t, func() error {
			return s.wantInfo("sentinel", fmt.Sprintf("slaves=%d,sentinels=%d", replicas, n))
		})
	}
	return sentinels
}

// RedisCluster starts a cluster of n masters and waits until it serves all slots.
func RedisCluster(t testing.TB, n int) []*RedisServer {
	t.Helper()
	nodes := make([]*RedisServer, n)
	for i := range nodes {
		s := newRedis(t)
		s.start(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(FreePort(t)), "--cluster-node-timeout", "2000")
		s.Do(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*16384/n), strconv.Itoa((i+1)*16384/n-1))
		nodes[i] = s
	}
	for _, s := range nodes[1:] {
		bus := strings.Fields(s.Do(t, "CONFIG", "GET", "cluster-port"))
		s.meet(t, nodes[0], bus[len(bus)-1])
	}
	for _, s := range nodes {
		s.WaitFor(t, func() error {
			text, err := s.do("CLUSTER", "INFO")
			if err == nil && (!strings.Contains(text, "cluster_state:ok") || !strings.Contains(text, fmt.Sprintf("cluster_known_nodes:%d", n))) {
				err = fmt.Errorf("cluster is not ready: %s", text)
			}
			return err
		})
	}
	return nodes
}

// meet introduces s, with its bus port, to another node.
func (s *RedisServer) meet(t testing.TB, other *RedisServer, bus string) {
	t.Helper()
	other.Do(t, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(s.Port), bus)
}
