package redis

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
)

// fixture answers like a server whose INFO is in testdata/<name>/info.txt, with
// CRLF as on the wire.
func fixture(t testing.TB, name string) func(args []string) string {
	t.Helper()
	read := func(file string) string {
		b, err := os.ReadFile(filepath.Join("testdata", name, file))
		if err != nil {
			return ""
		}
		return strings.ReplaceAll(string(b), "\n", "\r\n")
	}
	text, nodes, modules := read("info.txt"), read("nodes.txt"), read("modules.txt")
	answers := map[string]string{
		"INFO ALL":                              bulk(text),
		"CONFIG GET databases":                  bulks("databases", "4"),
		"CONFIG GET maxclients":                 bulks("maxclients", "10000"),
		"CONFIG GET maxmemory":                  bulks("maxmemory", "104857600"),
		"CONFIG GET io-threads":                 bulks("io-threads", "2"),
		"CONFIG GET repl-backlog-size":          bulks("repl-backlog-size", "1mb"),
		"CONFIG GET client-output-buffer-limit": bulks("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
		"SLOWLOG LEN":                           ":2\r\n",
		"SLOWLOG GET 1":                         array(array(":7\r\n", ":1699999999\r\n", ":15000\r\n", bulks("AUTH", "s3cret"), bulk("127.0.0.1:1"), bulk(""))),
		"LATENCY LATEST":                        array(array(bulk("command"), ":1699999990\r\n", ":12\r\n", ":250\r\n")),
		"LATENCY HISTOGRAM":                     array(bulk("get"), array(bulk("calls"), ":4\r\n", bulk("histogram_usec"), array(":1\r\n", ":1\r\n", ":4\r\n", ":3\r\n", ":8\r\n", ":4\r\n"))),
		"MEMORY STATS":                          array(bulk("keys.bytes-per-key"), ":98\r\n", bulk("dataset.percentage"), bulk("57.25"), bulk("peak.percentage"), bulk("50"), bulk("db.0"), array(bulk("overhead.hashtable.main"), ":96\r\n", bulk("overhead.hashtable.expires"), ":32\r\n")),
		"ACL USERS":                             bulks("default", "exporter"),
		"CLIENT LIST":                           bulk("id=3 addr=10.0.0.9:4000 name=web age=30 idle=5 flags=N db=0 sub=1 psub=0 qbuf=26 qbuf-free=20448 obl=0 oll=0 omem=64 tot-mem=2000 user=default resp=2 read-events=9 avg-pipeline-len-sum=12 avg-pipeline-len-cnt=8\nid=4 addr=10.0.0.2:4001 name= age=90 idle=0 flags=S db=0 sub=0 qbuf=0 omem=16 user=replica\n"),
		"CLUSTER INFO":                          bulk("cluster_state:ok\r\ncluster_slots_assigned:16383\r\ncluster_slots_fail:1\r\ncluster_known_nodes:5\r\ncluster_size:3\r\ncluster_stats_messages_ping_sent:60\r\ncluster_stats_messages_auth-req_sent:1\r\ncluster_stats_messages_sent:100\r\ncluster_stats_messages_received:99\r\n"),
		"CLUSTER NODES":                         bulk(nodes),
		"SENTINEL MASTERS":                      array(bulks("name", "cache", "ip", "10.0.0.1", "port", "6379", "quorum", "2", "failover-timeout", "180000", "parallel-syncs", "1", "down-after-milliseconds", "30000", "config-epoch", "7", "last-ok-ping-reply", "250")),
		"SENTINEL CKQUORUM cache":               "+OK 3 usable Sentinels. Quorum and failover authorization can be reached\r\n",
		"SENTINEL CKQUORUM broker":              "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the specified quorum for this master\r\n",
		"SENTINEL SENTINELS cache":              array(bulks("name", "a", "ip", "10.0.0.7", "port", "26379", "runid", "aa", "flags", "sentinel"), bulks("name", "b", "flags", "s_down,sentinel,disconnected")),
		"SENTINEL SLAVES cache":                 array(bulks("name", "c", "flags", "slave"), bulks("name", "d", "flags", "slave")),
		"SENTINEL SENTINELS broker":             "*0\r\n",
		"SENTINEL SLAVES broker":                array(bulks("name", "e", "flags", "s_down,slave")),
	}
	if modules != "" {
		answers["INFO MODULES"] = bulk(modules)
	}
	answers["COMMANDLOG LEN slow"], answers["COMMANDLOG LEN large-request"], answers["COMMANDLOG LEN large-reply"] = ":3\r\n", ":2\r\n", ":1\r\n"
	answers["CONFIG GET commandlog-*"] = bulks("commandlog-execution-slower-than", "10000", "commandlog-request-larger-than", "1048576", "commandlog-large-reply-max-len", "128")
	answers["CLUSTER SLOT-STATS SLOTSRANGE 0 16383"] = array(
		array(":5\r\n", array(bulk("key-count"), ":2\r\n", bulk("cpu-usec"), ":90\r\n", bulk("network-bytes-in"), ":40\r\n", bulk("network-bytes-out"), ":80\r\n")),
		array(":6\r\n", array(bulk("key-count"), ":0\r\n")),
	)
	return func(args []string) string {
		if a, ok := answers[strings.Join(args, " ")]; ok {
			return a
		}
		return unknown(args)
	}
}

// TestGolden holds what is exported of each dialect.
func TestGolden(t *testing.T) {
	for _, name := range []string{"redis5", "redis6", "redis7", "redis8", "redis810", "valkey", "valkey9", "keydb", "dragonfly", "sentinel", "cluster", "replica"} {
		t.Run(name, func(t *testing.T) {
			server := newFakeRedis(t, fixture(t, name))
			c := New(connect(t, redis.Options{Addr: server.addr}), Config{MaxClientSeries: 1, SystemMetrics: true, ModuleMetrics: true, SentinelPeers: true, SlotStats: true})
			c.session.now = func() time.Time { return time.Unix(1_700_000_000, 0) }
			gather(t, c, 5*time.Second) // Connects, and learns what to ask for.
			text := metrictest.Exposition(t, c)
			if strings.Contains(string(text), "s3cret") {
				t.Error("a secret of the slow log is exported")
			}
			lint(t, text)
			metrictest.File(t, text, filepath.Join("testdata", name, "metrics.prom"))
		})
	}
}

// lint fails the test for what promlint says about names that are not given.
func lint(t *testing.T, text []byte) {
	t.Helper()
	given := []string{ // by the established exporter, on other servers than those of the lists
		"redis_long_lock_waits_total", "redis_server_threads_total", "redis_sentinel_master_setting_down_after_milliseconds",
		"redis_key_group_count",
	}
	for _, file := range []string{"testdata/contract.default.tsv", "testdata/contract.full.tsv", "testdata/contract.later.tsv"} {
		for _, line := range readContract(t, file) {
			name, _, _ := strings.Cut(line, "\t")
			given = append(given, name)
		}
	}
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !slices.Contains(given, p.Metric) {
			t.Errorf("promlint: %s: %s", p.Metric, p.Text)
		}
	}
}

// everyFamily is a collector of one sample of each family of another.
type everyFamily struct{ *Collector }

func (e everyFamily) Describe(chan<- *prometheus.Desc) {}

func (e everyFamily) Collect(ch chan<- prometheus.Metric) {
	var o collect.Output
	for _, f := range e.families.All() {
		values := slices.Clone(f.Labels)
		switch f {
		case e.topics.latency.histogram:
			o.Histogram(f, collect.Buckets(0, 0, nil, time.Time{}), values...)
		case e.topics.commands.quantiles, e.own.seconds:
			o.Summary(f, 0, 0, nil, values...)
		default:
			o.Add(f, 0, values...)
		}
	}
	o.Send(ch)
}

// TestMetricsDoc keeps docs/metrics/redis.md equal to the tables.
func TestMetricsDoc(t *testing.T) {
	c := New(connect(t, redis.Options{}), Config{SystemMetrics: true})
	metrictest.MetricsDoc(t, "Metrics of redis_exporter", "../../docs/metrics/redis.md", everyFamily{c})
	lint(t, metrictest.Exposition(t, everyFamily{c}))
}
