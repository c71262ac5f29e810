package redis

import (
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/exporter/exportertest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// BenchmarkScrape scrapes a server on which many commands have run.
func BenchmarkScrape(b *testing.B) {
	server := realtest.Redis(b, "--latency-monitor-threshold", "1", "--slowlog-log-slower-than", "1000")
	for _, words := range []string{
		"SET k v", "GET k", "LPUSH l a", "LRANGE l 0 -1", "LLEN l", "HSET h k v", "HGETALL h", "SADD s a", "SCARD s", "ZADD z 1 a", "ZCARD z",
		"XADD x * k v", "XLEN x", "TYPE k", "DEL l", "EXPIRE k 100", "INCR n", "PING", "DBSIZE", "DEBUG SLEEP 0.01",
	} {
		server.Do(b, strings.Fields(words)...)
	}
	exportertest.BenchmarkScrape(b, "redis_exporter", exportertest.Variant{
		Name: "default", Args: []string{"--web.listen-address=ADDR", "--redis.addr=" + server.Addr()},
	})
}
