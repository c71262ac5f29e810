package redis

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// connect returns a client as the exporter makes them, closed with the test.
func connect(t testing.TB, o redis.Options) *redis.Client {
	t.Helper()
	o.Protocol = 2
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.PipelinePoolSize = -1
	o.ReadTimeout = time.Minute
	client := redis.NewClient(&o)
	t.Cleanup(func() { client.Close() })
	return client
}

// busyRedis starts a server and gives every metric of it something to show.
func busyRedis(t testing.TB) *realtest.RedisServer {
	t.Helper()
	s := realtest.Redis(t, "--latency-monitor-threshold", "1", "--slowlog-log-slower-than", "1000")
	client := connect(t, redis.Options{Addr: s.Addr()})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	pipe := client.Pipeline()
	pipe.Set(ctx, "text", "hello", 0)
	pipe.Set(ctx, "number", "12.5", 0)
	pipe.Set(ctx, "expiring", "x", time.Hour)
	pipe.RPush(ctx, "queue", "a", "b", "c")
	pipe.SAdd(ctx, "set", "a", "b")
	pipe.HSet(ctx, "hash", "k", "v")
	pipe.XAdd(ctx, &redis.XAddArgs{Stream: "stream", ID: "1-1", Values: []string{"k", "v"}})
	pipe.XAdd(ctx, &redis.XAddArgs{Stream: "stream", ID: "2-1", Values: []string{"k", "v"}})
	pipe.XGroupCreate(ctx, "stream", "group", "0")
	pipe.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "group", Consumer: "consumer", Streams: []string{"stream", ">"}, Count: 1, Block: -1})
	pipe.Do(ctx, "SELECT", "1")
	pipe.Set(ctx, "other", "x", time.Hour)
	pipe.Do(ctx, "SELECT", "0")
	pipe.Do(ctx, "DEBUG", "SLEEP", "0.01")
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.Do(ctx, "GET", "queue").Err(); err == nil { // Counts as an error reply.
		t.Fatal("GET of a list succeeded")
	}
	return s
}
