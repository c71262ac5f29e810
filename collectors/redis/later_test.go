package redis

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// TestSnapshotSize follows the file of the snapshot of a real server.
func TestSnapshotSize(t *testing.T) {
	s := realtest.Redis(t)
	client := connect(t, redis.Options{Addr: s.Addr()})
	c := New(client, Config{SnapshotSize: true})
	const name = "redis_rdb_current_size_bytes"
	gather(t, c, 10*time.Second)
	if got := gather(t, c, 10*time.Second); !strings.Contains(got, name+" 0\n") {
		t.Errorf("no size of a missing snapshot in\n%s", got)
	}
	if err := client.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if got := gather(t, c, 10*time.Second); !strings.Contains(got, name) || strings.Contains(got, name+" 0\n") {
		t.Errorf("no size of the snapshot in\n%s", got)
	}
	if got := gather(t, New(client, Config{}), 10*time.Second); strings.Contains(got, name) {
		t.Error("the size of the snapshot is exported without being asked for")
	}
}

// TestSnapshotElsewhere holds that names which the server chose open nothing
// but a file in its directory.
func TestSnapshotElsewhere(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, dir, file string }{
		{"path for a name", dir, "../passwd"},
		{"relative directory", "data", "dump.rdb"},
		{"directory of another machine", filepath.Join(dir, "none"), "dump.rdb"},
		{"directory for a file", filepath.Dir(dir), filepath.Base(dir)},
	} {
		server := newFakeRedis(t, func(args []string) string {
			switch strings.Join(args, " ") {
			case "INFO ALL":
				return bulk("redis_version:7.0.0\r\nredis_mode:standalone\r\n")
			case "CONFIG GET databases":
				return bulks("databases", "1")
			case "CONFIG GET dir":
				return bulks("dir", tt.dir)
			case "CONFIG GET dbfilename":
				return bulks("dbfilename", tt.file)
			}
			return unknown(args)
		})
		got := gather(t, New(connect(t, redis.Options{Addr: server.addr}), Config{SnapshotSize: true}), 10*time.Second)
		if !strings.Contains(got, "redis_up 1\n") || strings.Contains(got, "redis_rdb_current_size_bytes") {
			t.Errorf("%s: a size is exported, or the server is down:\n%s", tt.name, got)
		}
	}
}

// TestClusterInfo holds that no number of CLUSTER INFO is left out.
func TestClusterInfo(t *testing.T) {
	s := realtest.Redis(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(realtest.FreePort(t)))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client := connect(t, redis.Options{Addr: s.Addr()})
	text, err := client.ClusterInfo(ctx).Result()
	if err != nil {
		t.Fatal(err)
	}
	got := gather(t, New(client, Config{}), 10*time.Second)
	for _, line := range parseInfo(text) {
		if !strings.HasPrefix(line.key, "cluster_") {
			continue
		}
		name := strings.NewReplacer("cluster_stats_messages_sent", "cluster_messages_sent_total", "cluster_stats_messages_received", "cluster_messages_received_total", "-", "_").Replace(line.key)
		if !strings.Contains(got, fmt.Sprintf("\nredis_%s ", name)) {
			t.Errorf("%s is not exported", line.key)
		}
	}
}

// TestSeveralMasters shows the links of a replica of two masters, as KeyDB has them.
func TestSeveralMasters(t *testing.T) {
	const text = "# Server\r\nredis_version:6.3.4\r\nmvcc_depth:0\r\nredis_mode:standalone\r\n# Replication\r\nrole:active-replica\r\n" +
		"master_global_link_status:down\r\nmaster_host:kdb0\r\nmaster_port:6377\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:1\r\n" +
		"master_1_host:kdb1\r\nmaster_1_port:6378\r\nmaster_1_link_status:down\r\nmaster_1_last_io_seconds_ago:9\r\nslave_repl_offset:5\r\nslave_read_only:0\r\n"
	server := newFakeRedis(t, func(args []string) string {
		if strings.Join(args, " ") == "INFO ALL" {
			return bulk(text)
		}
		return unknown(args)
	})
	got := gather(t, New(connect(t, redis.Options{Addr: server.addr}), Config{}), 10*time.Second)
	for _, line := range []string{
		`redis_master_link_up{master_host="kdb0",master_port="6377"} 1`,
		`redis_master_link_up{master_host="kdb1",master_port="6378"} 0`,
		`redis_master_last_io_seconds_ago{master_host="kdb1",master_port="6378"} 9`,
		`redis_slave_info{master_host="kdb0",master_port="6377",read_only="0"} 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no %s in\n%s", line, got)
		}
	}
}

// TestHostnames reads what nodes announce behind their addresses.
func TestHostnames(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.4:7004@17004":                                 "",
		"10.0.0.4:7004@17004,":                                "",
		"10.0.0.4:7004@17004,node-4.example":                  "node-4.example",
		"10.0.0.4:7004@17004,node-4.example,tls-port=0":       "node-4.example",
		"10.0.0.4:7004@17004,,tls-port=0,shard-id=69bc080733": "",
		"[2001:db8::4]:7004@17004,node-4.example":             "node-4.example",
	} {
		nodes := parseNodes("07c37d " + text + " master - 0 1426238317239 4 connected 0-16383\n")
		if len(nodes) != 1 || nodes[0].Hostname != want || !strings.HasSuffix(nodes[0].Address, ":7004") {
			t.Errorf("%s: %+v, want the name %q", text, nodes, want)
		}
	}
}
